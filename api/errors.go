package api

import (
	"errors"

	"github.com/upcalld/upcalld/broker"
	"github.com/upcalld/upcalld/nscontext"
	"github.com/upcalld/upcalld/varlink"
)

// named is the table from the broker's sentinels to the interface's errors.
var named = []struct {
	is   error
	name string
}{
	{broker.ErrNoSuchContext, "NoSuchContext"},
	{broker.ErrNameTaken, "NameTaken"},
	{broker.ErrTooMany, "TooManyContexts"},
	{broker.ErrDead, "ContainerEnded"},
	{nscontext.ErrGone, "ContainerEnded"},
	{nscontext.ErrMoved, "BadRegistration"},
	{nscontext.ErrNotNamespace, "BadRegistration"},
	{broker.ErrBadName, "BadRegistration"},
	{broker.ErrNotContainer, "BadRegistration"},
}

// apiError names an error for the caller, with its sentence; name is the context
// it is about. The caller is root, and may read the sentence.
func apiError(err error, name string) error {
	var already *varlink.Error
	if err == nil || errors.As(err, &already) {
		return err
	}
	kind := "Failed"
	for _, n := range named {
		if errors.Is(err, n.is) {
			kind = n.name
			break
		}
	}
	var params map[string]any
	if kind == "NoSuchContext" || kind == "NameTaken" {
		params = map[string]any{"name": name}
	}
	return varlink.NewError(Interface+"."+kind, err.Error(), params)
}

func fail(kind, message string) error {
	return varlink.NewError(Interface+"."+kind, message, nil)
}
