// Package api is upcalld's interface io.upcalld: the messages that upcallctl and
// upcalld exchange, and the server's side of it. io.upcalld.varlink describes it
// to other clients.
//
// The files: api.go the messages, server.go who may call what, methods.go what
// the methods do, errors.go how errors are named.
package api

import (
	_ "embed"
	"time"
)

// Socket is the socket's name in the runtime directory.
const Socket = "io.upcalld"

// Interface is the prefix of the methods' names.
const Interface = "io.upcalld"

//go:embed io.upcalld.varlink
var description string

// Context is a registered container.
type Context struct {
	ID         uint64            `json:"id"`
	Name       string            `json:"name"`
	PID        int               `json:"pid"`
	Path       string            `json:"path"`
	Labels     map[string]string `json:"labels"`
	Created    time.Time         `json:"created"`
	Namespaces map[string]string `json:"namespaces"`
	Upcalls    uint64            `json:"upcalls"`
	Cached     int               `json:"cached"`
}

// RegisterIn holds the parameters of Register; exactly one of PID and NetNS.
type RegisterIn struct {
	Name   string            `json:"name"`
	PID    int               `json:"pid,omitempty"`
	NetNS  string            `json:"netns,omitempty"`
	Root   string            `json:"root,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
}

// ContextOut is the answer of Register and Show.
type ContextOut struct {
	Context Context `json:"context"`
}

// NameIn holds the parameter of Unregister and Show.
type NameIn struct {
	Name string `json:"name"`
}

// ListOut is the answer of List, or a part of it for a caller that takes several:
// only the last part has what is not Contexts.
type ListOut struct {
	Contexts []Context `json:"contexts"`
	// Lost are the names of containers that were registered when upcalld was
	// restarted in this boot, and have not been registered since.
	Lost []string `json:"lost"`
	// Unregistered counts the upcalls that came from namespaces nobody registered.
	Unregistered uint64 `json:"unregistered"`
}

// ResolveIn holds the parameters of Resolve.
type ResolveIn struct {
	Name string `json:"name"`
	Host string `json:"host"`
	Type string `json:"type,omitempty"`
}

// ResolveOut is the answer of Resolve.
type ResolveOut struct {
	Answer string `json:"answer"`
	Errno  string `json:"errno"`
	TTL    int    `json:"ttl"`
	Hit    bool   `json:"hit"`
	Note   string `json:"note"`
}

// FlushIn holds the parameter of Flush.
type FlushIn struct {
	Name string `json:"name,omitempty"`
}

// FlushOut is the answer of Flush.
type FlushOut struct {
	Answers int `json:"answers"`
}

// StatusOut is the answer of Status.
type StatusOut struct {
	Version  string            `json:"version"`
	Counters map[string]uint64 `json:"counters"`
}
