package varlink

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
)

// decodeParameters reads raw, which checkJSON has passed, into out, a pointer to
// a struct. Names must match exactly (encoding/json alone would take NAME for
// name), every member must be known, and every field must be there and not null
// unless it is a pointer or its tag says omitempty or omitzero: that is how a
// Varlink type with a question mark is written. The error is an *Error.
func decodeParameters(raw json.RawMessage, out any) error {
	if len(raw) == 0 || isNull(raw) {
		raw = json.RawMessage("{}")
	}
	if err := checkShape(raw, reflect.TypeOf(out), "parameters"); err != nil {
		return err
	}
	err := json.Unmarshal(raw, out)
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong) && wrong.Field != "":
		return InvalidParameter(wrong.Field, "This parameter is a "+wrong.Value+", which does not fit its type.")
	}
	return InvalidParameter("parameters", "The parameters do not fit their types.")
}

func isNull(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// checkShape compares raw with the Go type t, going down as far as the type
// does. A type that decodes itself is left to itself; a value of the wrong kind
// is left to json.Unmarshal.
func checkShape(raw json.RawMessage, t reflect.Type, at string) error {
	for t.Kind() == reflect.Pointer {
		if t.Implements(unmarshaler) {
			return nil
		}
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(unmarshaler) || isNull(raw) {
		return nil
	}
	switch t.Kind() {
	case reflect.Struct:
		return checkStruct(raw, t, at)
	case reflect.Map:
		return checkMap(raw, t, at)
	case reflect.Slice, reflect.Array:
		return checkSlice(raw, t, at)
	}
	return nil
}

func checkStruct(raw json.RawMessage, t reflect.Type, at string) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return InvalidParameter(at, "This parameter must be an object.")
	}
	for _, f := range fieldsOf(t) {
		value, there := members[f.name]
		delete(members, f.name)
		switch {
		case (!there || isNull(value)) && f.required:
			return InvalidParameter(below(at, f.name), "This parameter is missing.")
		case !there:
			continue
		}
		if err := checkShape(value, f.typ, below(at, f.name)); err != nil {
			return err
		}
	}
	for name := range members {
		return InvalidParameter(below(at, name), "This parameter is not known.")
	}
	return nil
}

func checkMap(raw json.RawMessage, t reflect.Type, at string) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return InvalidParameter(at, "This parameter must be an object.")
	}
	for name, value := range members {
		if err := checkShape(value, t.Elem(), below(at, name)); err != nil {
			return err
		}
	}
	return nil
}

func checkSlice(raw json.RawMessage, t reflect.Type, at string) error {
	var items []json.RawMessage
	if t.Elem().Kind() == reflect.Uint8 || json.Unmarshal(raw, &items) != nil {
		return nil // bytes are a string in JSON; the wrong kind is json.Unmarshal's
	}
	for i, item := range items {
		if err := checkShape(item, t.Elem(), at+"["+strconv.Itoa(i)+"]"); err != nil {
			return err
		}
	}
	return nil
}

// below names a member; the outermost object has no name of its own.
func below(at, name string) string {
	if len(name) > 128 {
		name = name[:128]
	}
	if at == "parameters" {
		return name
	}
	return at + "." + name
}

type field struct {
	name     string
	typ      reflect.Type
	required bool
}

// fieldsOf lists the JSON members of a struct type, embedded structs included.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			fields = append(fields, fieldsOf(f.Type)...)
			continue
		case !f.IsExported() || f.Tag.Get("json") == "-":
			continue
		case name == "":
			name = f.Name
		}
		optional := f.Type.Kind() == reflect.Pointer ||
			strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
		fields = append(fields, field{name, f.Type, !optional})
	}
	return fields
}
