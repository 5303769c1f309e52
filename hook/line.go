package hook

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// DropInLine is the line for request-key that starts the stub, with the stock
// handler's command after "--", or without that part if stock is "".
func DropInLine(stub, stock string) string {
	line := "create dns_resolver * * " + stub + " %o %k %u %g %T %P %S"
	if stock != "" {
		line += " -- " + stock
	}
	return line
}

// line checks its parts: white space would split a word, and request-key
// expands a leading % and takes a leading | for a pipe.
func (h *Host) line(stub, stock string) (string, error) {
	if strings.ContainsAny(stub, " \t\n\v\f\r") {
		return "", unsafeStub(stub, "request-key cannot start a path with white space")
	}
	f, err := h.openStub(stub, true)
	if err != nil {
		return "", err
	}
	f.Close()
	if stock == "" {
		if stock, err = h.StockHandler(stub); err != nil {
			return "", err
		}
	}
	if err := checkStock(stock); err != nil {
		return "", err
	}
	line := DropInLine(stub, stock)
	if len(line) > maxOurs {
		return "", fmt.Errorf("%w: the line would be longer than request-key reads", ErrStock)
	}
	return line, nil
}

func checkStock(stock string) error {
	switch {
	case stock == "":
		return nil
	case strings.HasPrefix(stock, "|"):
		return fmt.Errorf("%w: %s: request-key feeds it through pipes, which the stub does not", ErrStock, stock)
	case !strings.HasPrefix(stock, "/"):
		return fmt.Errorf("%w: %s: its path is not absolute", ErrStock, stock)
	case strings.ContainsAny(stock, "\n\r\x00"):
		return fmt.Errorf("%w: %q: more than one line", ErrStock, stock)
	}
	return nil
}

// StockHandler is the command that request-key runs for a DNS key without our
// drop-in, by its configuration; "" if there is none. Lines that start the stub
// do not count. A file that our drop-in displaced does.
func (h Host) StockHandler(stub string) (string, error) {
	rules, err := h.rules()
	if err != nil {
		return "", err
	}
	displaced, err := h.rulesOf(savedPath)
	if err != nil {
		return "", err
	}
	mine, err := h.holdsHeader(dropInPath)
	if err != nil {
		return "", err
	}
	rules = append(displaced, rules...)
	rules = slices.DeleteFunc(rules, func(r rule) bool {
		prog, _, _ := strings.Cut(r.command, " ")
		return prog == stub || mine && strings.HasPrefix(r.at, dropInPath+":")
	})
	r, _ := best(rules)
	return r.command, nil
}

func (h *Host) lineContent(line string) content {
	text := header + "\n" + line + "\n"
	return content{
		mode:  0o644,
		write: func(w io.Writer) error { _, err := io.WriteString(w, text); return err },
		current: func(name string) (bool, error) {
			f, err := h.openRegular(name)
			if f == nil {
				return false, err
			}
			defer f.Close()
			got, err := io.ReadAll(io.LimitReader(f, int64(len(text)+1)))
			return string(got) == text, err
		},
	}
}
