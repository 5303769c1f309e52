package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/upcalld/upcalld/api"
)

// labels collects --label K=V.
type labels map[string]string

func (l labels) String() string { return "" }

func (l labels) Set(s string) error {
	k, v, ok := strings.Cut(s, "=")
	if !ok || k == "" {
		return fmt.Errorf("label %q is not K=V", s)
	}
	if _, twice := l[k]; twice {
		return fmt.Errorf("label %q is given twice", k)
	}
	l[k] = v
	return nil
}

func register(i *invocation) error {
	in := api.RegisterIn{Labels: map[string]string{}}
	i.flags.IntVar(&in.PID, "pid", 0, "")
	i.flags.StringVar(&in.NetNS, "netns", "", "")
	i.flags.StringVar(&in.Root, "root", "", "")
	i.flags.Var(labels(in.Labels), "label", "")
	words, err := i.parse(1, 1)
	if err != nil {
		return err
	}
	if (in.PID == 0) == (in.NetNS == "") {
		return usageError("give either --pid or --netns")
	}
	in.Name = words[0]
	if in.NetNS, err = absolute(in.NetNS); err != nil {
		return err
	}
	if in.Root, err = absolute(in.Root); err != nil {
		return err
	}
	var out api.ContextOut
	if err := i.call("Register", in, &out); err != nil {
		return err
	}
	if i.json {
		return i.printJSON(out.Context)
	}
	fmt.Fprintf(i.out, "registered %s as context %d\n", out.Context.Name, out.Context.ID)
	return nil
}

func unregister(i *invocation) error {
	words, err := i.parse(1, 1)
	if err != nil {
		return err
	}
	if err := i.call("Unregister", api.NameIn{Name: words[0]}, nil); err != nil {
		return err
	}
	if i.json {
		return i.printJSON(struct{}{})
	}
	fmt.Fprintf(i.out, "unregistered %s\n", words[0])
	return nil
}

func list(i *invocation) error {
	if _, err := i.parse(0, 0); err != nil {
		return err
	}
	out := api.ListOut{Contexts: []api.Context{}}
	err := i.stream("List", nil, func(part json.RawMessage) error {
		all := out.Contexts
		out.Contexts = nil // Unmarshal would write over them
		if err := json.Unmarshal(part, &out); err != nil {
			return err
		}
		out.Contexts = append(all, out.Contexts...)
		return nil
	})
	if err != nil {
		return err
	}
	if i.json {
		return i.printJSON(out)
	}
	if err := listContexts(i, out.Contexts); err != nil {
		return err
	}
	for _, name := range out.Lost {
		fmt.Fprintf(i.out, "lost in a restart of upcalld: %s; register it again, or unregister it\n", name)
	}
	if out.Unregistered > 0 {
		fmt.Fprintf(i.out, "%d upcalls came from namespaces that nobody registered\n", out.Unregistered)
	}
	return nil
}

func listContexts(i *invocation, all []api.Context) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(i.out, "no container is registered")
		return err
	}
	w := tabwriter.NewWriter(i.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tFROM\tNETNS\tUPCALLS\tCACHED\tSINCE")
	for _, c := range all {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%d\t%d\t%s\n", c.ID, c.Name, origin(c), c.Namespaces["net"], c.Upcalls, c.Cached,
			c.Created.Local().Format(time.DateTime))
	}
	return w.Flush()
}

func origin(c api.Context) string {
	if c.Path != "" {
		return c.Path
	}
	return fmt.Sprintf("pid %d", c.PID)
}

func show(i *invocation) error {
	words, err := i.parse(1, 1)
	if err != nil {
		return err
	}
	var out api.ContextOut
	if err := i.call("Show", api.NameIn{Name: words[0]}, &out); err != nil {
		return err
	}
	c := out.Context
	if i.json {
		return i.printJSON(c)
	}
	fmt.Fprintf(i.out, "%s\n  id          %d\n  from        %s\n  registered  %s\n  upcalls     %d\n  cached      %d\n",
		c.Name, c.ID, origin(c), c.Created.Local().Format(time.DateTime), c.Upcalls, c.Cached)
	for _, k := range slices.Sorted(maps.Keys(c.Labels)) {
		fmt.Fprintf(i.out, "  label       %s=%s\n", k, c.Labels[k])
	}
	for _, k := range slices.Sorted(maps.Keys(c.Namespaces)) {
		fmt.Fprintf(i.out, "  namespace   %-16s %s\n", k, c.Namespaces[k])
	}
	return nil
}

func resolve(i *invocation) error {
	var in api.ResolveIn
	i.flags.StringVar(&in.Name, "as", "", "")
	i.flags.StringVar(&in.Type, "type", "", "")
	words, err := i.parse(1, 1)
	if err != nil {
		return err
	}
	if in.Name == "" {
		return usageError("--as NAME is missing")
	}
	in.Host = words[0]
	var out api.ResolveOut
	if err := i.call("Resolve", in, &out); err != nil {
		return err
	}
	if i.json {
		if err := i.printJSON(out); err != nil {
			return err
		}
	} else if out.Errno == "" {
		from := "asked now"
		if out.Hit {
			from = "from the cache"
		}
		fmt.Fprintf(i.out, "%s  (%d s to live, %s)\n", out.Answer, out.TTL, from)
	}
	if out.Errno == "" {
		return nil
	}
	return errnoError(fmt.Sprintf("%s: an upcall would get %s%s", in.Host, out.Errno, parenthesis(out.Note)))
}

func parenthesis(note string) string {
	if note == "" {
		return ""
	}
	return " (" + note + ")"
}

func flush(i *invocation) error {
	words, err := i.parse(0, 1)
	if err != nil {
		return err
	}
	var in api.FlushIn
	if len(words) == 1 {
		in.Name = words[0]
	}
	var out api.FlushOut
	if err := i.call("Flush", in, &out); err != nil {
		return err
	}
	if i.json {
		return i.printJSON(out)
	}
	fmt.Fprintf(i.out, "forgot %d answers here, and all in the kernel's shared keyrings\n", out.Answers)
	return nil
}

func status(i *invocation) error {
	if _, err := i.parse(0, 0); err != nil {
		return err
	}
	var out api.StatusOut
	if err := i.call("Status", nil, &out); err != nil {
		return err
	}
	if i.json {
		return i.printJSON(out)
	}
	fmt.Fprintf(i.out, "upcalld %s\n", out.Version)
	for _, k := range slices.Sorted(maps.Keys(out.Counters)) {
		fmt.Fprintf(i.out, "  %-14s %d\n", k, out.Counters[k])
	}
	return nil
}
