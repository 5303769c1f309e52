// Command upcallctl is the operator's side of upcalld.
//
// The files: main.go the commands and their help, command.go what they share,
// contexts.go those that ask the broker, hook.go how the kernel reaches the
// stub, doctor.go what is missing on this host, demo.go the demonstration.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/upcalld/upcalld/lab"
)

// Exit codes, fixed for scripts.
const (
	exitOK      = 0
	exitFailed  = 1 // the operation failed; the sentence on stderr says why
	exitUsage   = 2 // the command line is wrong
	exitUnknown = 3 // there is no such context
	exitOffline = 4 // upcalld cannot be reached
	exitErrno   = 5 // resolve: the answer is an errno
)

// command is one subcommand.
type command struct {
	name  string
	args  string
	short string
	run   func(*invocation) error
}

var commands = []command{
	{"register", "NAME (--pid PID | --netns PATH) [--root DIR] [--label K=V ...]", "serve a container's upcalls from its own network and files", register},
	{"unregister", "NAME", "forget a container", unregister},
	{"list", "", "registered containers", list},
	{"show", "NAME", "one container, with its namespaces", show},
	{"resolve", "--as NAME HOST [--type a|aaaa]", "what the container's own upcall would be answered", resolve},
	{"flush", "[NAME]", "forget cached answers, in the broker and in the kernel", flush},
	{"status", "", "upcalls since upcalld started, by what became of them", status},
	{"hook", "enable [--takeover | --drop-in] [--stub FILE] | disable | status", "how the kernel reaches the stub", hookCommand},
	{"doctor", "", "what is missing on this host, and what to do about it", doctor},
	{"demo", "[--bin DIR]", "show the main job on the running kernel, and undo it all", demo},
}

// version is set by the linker.
var version = "devel"

func main() {
	lab.MaybeChild() // the demonstration runs itself inside namespaces
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(dispatch(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func dispatch(ctx context.Context, args []string, out, errout io.Writer) int {
	if len(args) == 1 && args[0] == "--version" {
		fmt.Fprintln(out, "upcallctl", version)
		return exitOK
	}
	if len(args) == 0 || slices.Contains([]string{"help", "-h", "--help"}, args[0]) {
		help(out)
		if len(args) == 0 {
			return exitUsage
		}
		return exitOK
	}
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == args[0] })
	if i < 0 {
		fmt.Fprintf(errout, "upcallctl: unknown command %q; upcallctl help lists them\n", args[0])
		return exitUsage
	}
	inv := newInvocation(ctx, commands[i], args[1:], out)
	return report(errout, commands[i], commands[i].run(inv))
}

func help(w io.Writer) {
	fmt.Fprint(w, "upcallctl - operate upcalld, the upcall broker for containers\n\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  upcallctl %s %s\n        %s\n", c.name, c.args, c.short)
	}
	fmt.Fprint(w, `
Every command takes --json for output that scripts can read and --socket PATH
for another upcalld than the one at /run/upcalld.

Exit status: 0 done, 1 failed, 2 wrong command line, 3 no such context,
4 upcalld cannot be reached, 5 (resolve) the answer is an errno.
`)
}

// report turns an error into a sentence and an exit status.
func report(errout io.Writer, c command, err error) int {
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(errout, "upcallctl %s: %v\nusage: upcallctl %s %s\n", c.name, err, c.name, c.args)
		return exitUsage
	}
	fmt.Fprintf(errout, "upcallctl %s: %s\n", c.name, sentence(err))
	return exitCode(err)
}
