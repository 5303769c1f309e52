package varlink

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// ErrTooLarge is a message above MaxMessage.
var ErrTooLarge = errors.New("varlink: message is larger than 1 MiB")

// readBuffer is what every connection costs while it is idle.
const readBuffer = 4 << 10

// readFrame reads up to the next NUL and returns what stands before it. The
// slice belongs to the caller. It is grown as bytes arrive, so that a peer pays
// for what it makes us hold. io.EOF is an end between messages only.
func readFrame(r *bufio.Reader) ([]byte, error) {
	var frame []byte
	for {
		part, err := r.ReadSlice(0)
		if len(frame)+len(part) > MaxMessage+1 {
			return nil, ErrTooLarge
		}
		frame = append(frame, part...)
		switch {
		case err == nil:
			return frame[:len(frame)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(frame) > 0:
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}

// nextFrame waits without limit for a message to begin, and then at most
// timeout for all of it: a peer may be idle, but not slow.
func nextFrame(c net.Conn, r *bufio.Reader, timeout time.Duration) ([]byte, error) {
	if _, err := r.Peek(1); err != nil {
		return nil, err
	}
	if err := c.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return nil, err
	}
	frame, err := readFrame(r)
	if err != nil {
		return nil, err
	}
	return frame, c.SetReadDeadline(time.Time{})
}

// encode makes one message of v, its NUL included. JSON never holds a raw NUL:
// encoding/json escapes it in strings and refuses it in a RawMessage.
func encode(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("varlink: %w", err)
	}
	if len(data) > MaxMessage {
		return nil, ErrTooLarge
	}
	return append(data, 0), nil
}
