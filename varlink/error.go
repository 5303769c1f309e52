package varlink

import (
	"encoding/json"
	"errors"
)

// Names of errors that this package itself answers with. The first group is
// the protocol's own, the second has no name there.
const (
	InterfaceNotFound    = "org.varlink.service.InterfaceNotFound"
	MethodNotFound       = "org.varlink.service.MethodNotFound"
	MethodNotImplemented = "org.varlink.service.MethodNotImplemented"
	InvalidParameterName = "org.varlink.service.InvalidParameter"
	PermissionDenied     = "org.varlink.service.PermissionDenied"
	ExpectedMore         = "org.varlink.service.ExpectedMore"

	InternalError      = "io.upcalld.InternalError"
	TooManyConnections = "io.upcalld.TooManyConnections"
)

// Error is an error reply. A handler returns one to choose the reply; a client
// gets one for every error reply, its Parameters being a json.RawMessage.
type Error struct {
	Name       string // interface and error, as in io.upcalld.NoSuchContext
	Parameters any    // a JSON object, or nil; by convention with a sentence in "message"
}

// NewError makes an Error whose parameters are params and the sentence.
// params is copied and may be nil.
func NewError(name, message string, params map[string]any) *Error {
	all := make(map[string]any, len(params)+1)
	for k, v := range params {
		all[k] = v
	}
	all["message"] = message
	return &Error{Name: name, Parameters: all}
}

// InvalidParameter is the protocol's error for a parameter that is unknown,
// missing or wrong; why is a sentence.
func InvalidParameter(parameter, why string) *Error {
	return NewError(InvalidParameterName, why, map[string]any{"parameter": parameter})
}

// Error is the name, and the sentence where there is one.
func (e *Error) Error() string {
	if m := e.Message(); m != "" {
		return e.Name + ": " + m
	}
	return e.Name
}

// Message is the sentence in the parameters, or "".
func (e *Error) Message() string {
	var with struct {
		Message string `json:"message"`
	}
	if e.Decode(&with) != nil {
		return ""
	}
	return with.Message
}

// Decode reads the parameters into out; unknown ones are ignored.
func (e *Error) Decode(out any) error {
	raw, ok := e.Parameters.(json.RawMessage)
	if !ok {
		var err error
		if raw, err = json.Marshal(e.Parameters); err != nil {
			return err
		}
	}
	if len(raw) == 0 {
		return nil
	}
	return json.Unmarshal(raw, out)
}

// IsError reports whether err is, or wraps, an Error of that name.
func IsError(err error, name string) bool {
	var e *Error
	return errors.As(err, &e) && e.Name == name
}
