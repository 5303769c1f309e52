package varlink

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// ErrBroken is a call on a client whose connection was given up before: after a
// call that was cut short nobody knows whose reply comes next. Dial again.
var ErrBroken = errors.New("varlink: the connection has ended")

// Client is one connection. It may be used from several goroutines; calls
// wait for each other.
type Client struct {
	uc *net.UnixConn

	mu     sync.Mutex // guards the connection, for the length of a call, and the two below
	r      *bufio.Reader
	broken bool
}

// Dial connects to the socket at path, as whoever the process is.
func Dial(ctx context.Context, path string) (*Client, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("varlink: %w", err)
	}
	uc := c.(*net.UnixConn) // what the network "unix" gives
	return &Client{uc: uc, r: bufio.NewReaderSize(uc, readBuffer)}, nil
}

// Close ends the connection, also under a running call.
func (c *Client) Close() error { return c.uc.Close() }

// Call calls a method and reads its reply into out; in and out may be nil.
// Unknown members of the reply are ignored. An error reply comes back as
// *Error and leaves the client usable; an exchange cut short breaks it (ErrBroken
// next).
func (c *Client) Call(ctx context.Context, method string, in, out any) error {
	return c.exchange(ctx, callMessage{Method: method}, in, func(parameters json.RawMessage, _ bool) error {
		if out == nil || len(parameters) == 0 {
			return nil
		}
		if err := json.Unmarshal(parameters, out); err != nil {
			return fmt.Errorf("varlink: reply to %s: %w", method, err)
		}
		return nil
	})
}

// Stream calls a method with more and hands every reply's parameters to each,
// the final one only if it holds something. It returns when the server ends the
// stream, or with the error of each or ctx, which breaks the client.
func (c *Client) Stream(ctx context.Context, method string, in any, each func(json.RawMessage) error) error {
	return c.exchange(ctx, callMessage{Method: method, More: true}, in, func(parameters json.RawMessage, final bool) error {
		if empty := bytes.TrimSpace(parameters); final && (len(empty) == 0 || string(empty) == "{}") {
			return nil
		}
		return each(parameters)
	})
}

// exchange sends a call and takes its replies. Only a whole exchange leaves
// the connection usable.
func (c *Client) exchange(ctx context.Context, m callMessage, in any, each func(json.RawMessage, bool) error) error {
	data, err := callData(m, in)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		return ErrBroken
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.uc.SetDeadline(time.Unix(1, 0)) })
	whole, err := c.talk(data, each)
	if !stop() || !whole {
		c.broken = true
		c.uc.Close()
	}
	if !whole && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func callData(m callMessage, in any) ([]byte, error) {
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("varlink: parameters of %s: %w", m.Method, err)
		}
		m.Parameters = raw
	}
	return encode(m)
}

// talk reads even where writing failed: a server that refuses the connection
// says so and closes, and its words are better than "broken pipe". It reports
// whether the last reply was read, whatever that said.
func (c *Client) talk(data []byte, each func(json.RawMessage, bool) error) (whole bool, err error) {
	_, writeErr := c.uc.Write(data)
	for {
		reply, err := c.receive()
		switch {
		case err != nil && writeErr != nil:
			return false, fmt.Errorf("varlink: %w", writeErr)
		case err != nil:
			return false, err
		case reply.Error != "":
			return writeErr == nil, &Error{Name: reply.Error, Parameters: reply.Parameters}
		}
		if err := each(reply.Parameters, !reply.Continues); err != nil || !reply.Continues {
			return !reply.Continues, err
		}
	}
}

// incoming is a replyMessage as it arrives.
type incoming struct {
	Parameters json.RawMessage `json:"parameters"`
	Continues  bool            `json:"continues"`
	Error      string          `json:"error"`
}

func (c *Client) receive() (m incoming, err error) {
	frame, err := readFrame(c.r)
	if err != nil {
		return m, fmt.Errorf("varlink: %w", err)
	}
	if err := json.Unmarshal(frame, &m); err != nil {
		return m, fmt.Errorf("varlink: reply: %w", err)
	}
	return m, nil
}
