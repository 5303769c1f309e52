package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"

	"github.com/upcalld/upcalld/api"
	"github.com/upcalld/upcalld/varlink"
)

const defaultSocket = "/run/upcalld/" + api.Socket

// invocation is one call of a command.
type invocation struct {
	ctx    context.Context
	flags  *flag.FlagSet
	args   []string
	out    io.Writer
	json   bool
	socket string
}

type usageError string

func (e usageError) Error() string { return string(e) }

// errOffline: there is nobody behind the socket.
var errOffline = errors.New("upcalld cannot be reached")

// errnoError: resolve worked, and the answer is an errno.
type errnoError string

func (e errnoError) Error() string { return string(e) }

func newInvocation(ctx context.Context, c command, args []string, out io.Writer) *invocation {
	i := &invocation{ctx: ctx, args: args, out: out, flags: flag.NewFlagSet(c.name, flag.ContinueOnError)}
	i.flags.SetOutput(io.Discard)
	i.flags.BoolVar(&i.json, "json", false, "")
	i.flags.StringVar(&i.socket, "socket", defaultSocket, "")
	return i
}

// parse parses flags wherever they stand and returns the other words, of which
// there must be between least and most.
func (i *invocation) parse(least, most int) ([]string, error) {
	var words []string
	rest := i.args
	for {
		if err := i.flags.Parse(rest); err != nil {
			return nil, usageError(err.Error())
		}
		if rest = i.flags.Args(); len(rest) == 0 {
			break
		}
		words, rest = append(words, rest[0]), rest[1:]
	}
	switch {
	case len(words) < least:
		return nil, usageError("an argument is missing")
	case len(words) > most:
		return nil, usageError(fmt.Sprintf("unexpected argument %q", words[most]))
	}
	return words, nil
}

// call calls a method of io.upcalld.
func (i *invocation) call(method string, in, out any) error {
	c, err := varlink.Dial(i.ctx, i.socket)
	if err != nil {
		return fmt.Errorf("%w at %s: %w", errOffline, i.socket, err)
	}
	defer c.Close()
	return c.Call(i.ctx, api.Interface+"."+method, in, out)
}

// stream calls a method that replies in parts.
func (i *invocation) stream(method string, in any, each func(json.RawMessage) error) error {
	c, err := varlink.Dial(i.ctx, i.socket)
	if err != nil {
		return fmt.Errorf("%w at %s: %w", errOffline, i.socket, err)
	}
	defer c.Close()
	return c.Stream(i.ctx, api.Interface+"."+method, in, each)
}

// printJSON prints one value, indented.
func (i *invocation) printJSON(v any) error {
	e := json.NewEncoder(i.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// sentence is what an operator reads of an error.
func sentence(err error) string {
	var v *varlink.Error
	if errors.As(err, &v) && v.Message() != "" {
		return v.Message()
	}
	if errors.Is(err, errOffline) {
		return err.Error() + "\nIs it running? systemctl status upcalld, or start it: upcalld"
	}
	return err.Error()
}

func exitCode(err error) int {
	var e errnoError
	switch {
	case errors.Is(err, errOffline):
		return exitOffline
	case varlink.IsError(err, api.Interface+".NoSuchContext"):
		return exitUnknown
	case errors.As(err, &e):
		return exitErrno
	}
	return exitFailed
}

// absolute makes a path absolute, since upcalld runs elsewhere.
func absolute(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return filepath.Abs(path)
}
