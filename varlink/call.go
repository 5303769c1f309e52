package varlink

import (
	"encoding/json"
	"errors"
)

// ErrReplied is a reply after the final one.
var ErrReplied = errors.New("varlink: the call has been answered already")

// Call is one method call. It is valid until its handler returns and must be
// used by one goroutine at a time.
type Call struct {
	Method string // with its interface, as in io.upcalld.List
	Peer   Peer
	More   bool // the caller takes several replies
	Oneway bool // the caller takes none; replies are dropped

	parameters json.RawMessage
	send       func(replyMessage) error
	done       bool
	failed     error // of the last reply; a handler that overlooks it must not end in {}
}

// Decode reads the parameters into out, a pointer to a struct. Unknown members,
// wrong types and missing fields are refused with an *Error
// (org.varlink.service.InvalidParameter) that the handler can return as it is.
// A field may be missing where it is a pointer or has omitempty or omitzero.
func (c *Call) Decode(out any) error { return decodeParameters(c.parameters, out) }

// Reply sends the final answer; parameters must be a JSON object, nil is {}.
// Its errors are ErrReplied, ErrTooLarge, or that of the connection.
func (c *Call) Reply(parameters any) error { return c.finish(replyMessage{Parameters: parameters}) }

// ReplyContinues sends one of several answers. To a caller that did not ask
// for several it sends nothing and returns the *Error for that.
func (c *Call) ReplyContinues(parameters any) error {
	switch {
	case c.done:
		return ErrReplied
	case !c.More:
		return NewError(ExpectedMore, "This method sends several replies: call it with more.", nil)
	}
	return c.put(replyMessage{Parameters: parameters, Continues: true})
}

func (c *Call) fail(e *Error) error {
	return c.finish(replyMessage{Error: e.Name, Parameters: e.Parameters})
}

// finish counts as answered only what could be sent: after ErrTooLarge or a
// value that is no JSON the caller still gets an error reply.
func (c *Call) finish(m replyMessage) error {
	if c.done {
		return ErrReplied
	}
	if c.failed = c.put(m); c.failed != nil {
		return c.failed
	}
	c.done = true
	return nil
}

func (c *Call) put(m replyMessage) error {
	if c.Oneway {
		return nil
	}
	if m.Parameters == nil {
		m.Parameters = struct{}{}
	}
	return c.send(m)
}
