package varlink

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// checkJSON refuses what encoding/json would let pass or pay for: anything but
// one object, text that is not UTF-8, an object with the same member twice (two
// readers could believe different ones), deep nesting, too many members.
func checkJSON(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("varlink: message is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	first, err := d.Token()
	if err != nil {
		return fmt.Errorf("varlink: message: %w", err)
	}
	if first != json.Delim('{') {
		return errors.New("varlink: message is not an object")
	}
	if err := checkObject(d, 1); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("varlink: data after the object")
	}
	return nil
}

// checkObject reads the members of an object whose brace has been read. Its
// recursion, and checkArray's, ends at MaxDepth.
func checkObject(d *json.Decoder, depth int) error {
	seen := make(map[string]struct{})
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return fmt.Errorf("varlink: message: %w", err)
		}
		key, _ := t.(string) // the decoder lets nothing else stand here
		if _, twice := seen[key]; twice {
			return fmt.Errorf("varlink: member %.64q stands twice", key)
		}
		if len(seen) == MaxMembers {
			return fmt.Errorf("varlink: object with more than %d members", MaxMembers)
		}
		seen[key] = struct{}{}
		if err := checkValue(d, depth); err != nil {
			return err
		}
	}
	return closing(d)
}

func checkArray(d *json.Decoder, depth int) error {
	for d.More() {
		if err := checkValue(d, depth); err != nil {
			return err
		}
	}
	return closing(d)
}

func checkValue(d *json.Decoder, depth int) error {
	t, err := d.Token()
	if err != nil {
		return fmt.Errorf("varlink: message: %w", err)
	}
	open, nested := t.(json.Delim)
	if !nested {
		return nil
	}
	if depth == MaxDepth {
		return fmt.Errorf("varlink: nested deeper than %d", MaxDepth)
	}
	if open == '{' {
		return checkObject(d, depth+1)
	}
	return checkArray(d, depth+1)
}

func closing(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("varlink: message: %w", err)
	}
	return nil
}
