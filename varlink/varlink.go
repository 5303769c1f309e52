// Package varlink is a small server and client of the Varlink protocol: JSON
// objects, each ended by a NUL byte, on a Unix stream socket.
//
//	client                                          server
//	  | --- {"method","parameters","more",...}\0 ---> |
//	  | <-- {"parameters","continues":true}\0 ------- |  only where "more" was set
//	  | <-- {"parameters"}\0 or {"error",...}\0 ----- |  exactly one, unless "oneway"
//
// The server takes its callers for hostile: every message, connection and wait
// is bounded, and parameters are decoded strictly.
//
// The files: varlink.go the messages and limits, error.go the errors, frame.go
// the reader and writer of single messages, strict.go and decode.go the checks
// on JSON, server.go the listener, accept.go who comes in, conn.go one
// connection, call.go one call, service.go the interface org.varlink.service,
// client.go the client.
package varlink

import (
	"encoding/json"
	"time"
)

// Limits that hold where a Server does not set its own.
const (
	MaxMessage     = 1 << 20 // bytes of one message, its NUL not counted; both directions
	MaxDepth       = 32      // nesting of arrays and objects in one message
	MaxMembers     = 4096    // members of one object, so that a message of keys stays cheap to check
	DefaultConns   = 128     // connections at a time
	DefaultTimeout = 10 * time.Second
)

// callMessage is what a client sends.
type callMessage struct {
	Method     string          `json:"method"`
	Parameters json.RawMessage `json:"parameters,omitempty"`
	More       bool            `json:"more,omitempty"`
	Oneway     bool            `json:"oneway,omitempty"`
	Upgrade    bool            `json:"upgrade,omitempty"`
}

// replyMessage is what a server answers.
type replyMessage struct {
	Parameters any    `json:"parameters,omitempty"`
	Continues  bool   `json:"continues,omitempty"`
	Error      string `json:"error,omitempty"`
}

// Peer is who is at the other end, as the kernel noted it when the peer
// connected (SO_PEERCRED; net/unix/af_unix.c, init_peercred). A pid of 0 is a
// process that this pid namespace cannot see. The pid may have been reused
// since: it is for logs, uid and gid are for decisions.
type Peer struct {
	PID int32
	UID uint32
	GID uint32
}
