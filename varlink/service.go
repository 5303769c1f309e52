package varlink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// served is one interface: its text, and a handler per method of the text,
// nil where it is not implemented.
type served struct {
	text    string
	methods map[string]Handler
}

// serviceName is the interface that every server has.
const serviceName = "org.varlink.service"

// serviceText describes the interface that every server has.
const serviceText = `# What this service is, and which interfaces it has.
interface org.varlink.service

method GetInfo() -> (
  vendor: string,
  product: string,
  version: string,
  url: string,
  interfaces: []string
)

method GetInterfaceDescription(interface: string) -> (description: string)

error InterfaceNotFound (interface: string, message: ?string)
error MethodNotFound (method: string, message: ?string)
error MethodNotImplemented (method: string, message: ?string)
error InvalidParameter (parameter: string, message: ?string)
error PermissionDenied (message: ?string)
error ExpectedMore (message: ?string)
`

// Register adds an interface: description is the text of its .varlink file, and
// methods maps each method's name, without the interface, to its handler. It
// fails where the two disagree, except that a method of the text without a
// handler answers MethodNotImplemented. Call it before Serve.
func (s *Server) Register(description string, methods map[string]Handler) error {
	name, declared := outline(description)
	if name == "" {
		return errors.New("varlink: description has no interface line")
	}
	if name == serviceName {
		return fmt.Errorf("varlink: interface %s is the server's own", name)
	}
	all := make(map[string]Handler, len(declared))
	for _, m := range declared {
		all[m] = methods[m]
	}
	for m := range methods {
		if _, ok := all[m]; !ok {
			return fmt.Errorf("varlink: interface %s describes no method %s", name, m)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, twice := s.interfaces[name]; twice {
		return fmt.Errorf("varlink: interface %s is registered twice", name)
	}
	if s.interfaces == nil {
		s.interfaces = make(map[string]*served)
	}
	s.interfaces[name] = &served{description, all}
	return nil
}

// outline finds the interface's name and its methods' names. Each stands at
// the start of a line, which is how the files are written; it is no parser.
func outline(description string) (name string, methods []string) {
	for line := range strings.Lines(description) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest, _, _ = strings.Cut(rest, "(")
		rest = strings.TrimSpace(rest)
		switch {
		case word == "interface" && name == "":
			name = rest
		case word == "method" && rest != "":
			methods = append(methods, rest)
		}
	}
	return name, methods
}

// lookup finds the handler of a method, or the *Error that says why not.
func (s *Server) lookup(method string) (Handler, error) {
	dot := strings.LastIndexByte(method, '.')
	if dot < 0 {
		return nil, InvalidParameter("method", "A method is called with its interface, as in org.varlink.service.GetInfo.")
	}
	name, short := method[:dot], method[dot+1:]
	methods, ok := s.methodsOf(name)
	if !ok {
		return nil, noInterface(name)
	}
	h, ok := methods[short]
	switch {
	case !ok:
		return nil, NewError(MethodNotFound, "The interface has no such method.", map[string]any{"method": method})
	case h == nil:
		return nil, NewError(MethodNotImplemented, "This service does not implement the method.", map[string]any{"method": method})
	}
	return h, nil
}

func (s *Server) methodsOf(name string) (map[string]Handler, bool) {
	if name == serviceName {
		return map[string]Handler{"GetInfo": s.getInfo, "GetInterfaceDescription": s.getDescription}, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.interfaces[name]
	if !ok {
		return nil, false
	}
	return i.methods, true
}

func noInterface(name string) *Error {
	return NewError(InterfaceNotFound, "The service has no such interface.", map[string]any{"interface": name})
}

func (s *Server) getInfo(_ context.Context, call *Call) error {
	if err := call.Decode(&struct{}{}); err != nil {
		return err
	}
	return call.Reply(map[string]any{
		"vendor": s.Vendor, "product": s.Product, "version": s.Version, "url": s.URL,
		"interfaces": s.names(),
	})
}

func (s *Server) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := []string{serviceName}
	for name := range s.interfaces {
		names = append(names, name)
	}
	slices.Sort(names[1:])
	return names
}

func (s *Server) getDescription(_ context.Context, call *Call) error {
	var in struct {
		Interface string `json:"interface"`
	}
	if err := call.Decode(&in); err != nil {
		return err
	}
	text := serviceText
	if in.Interface != serviceName {
		s.mu.Lock()
		i, ok := s.interfaces[in.Interface]
		s.mu.Unlock()
		if !ok {
			return noInterface(in.Interface)
		}
		text = i.text
	}
	return call.Reply(map[string]string{"description": text})
}
