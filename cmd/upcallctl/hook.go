package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/upcalld/upcalld/hook"
)

// defaultStub is the packages' stub, or the one beside this program where it
// runs from its source.
func defaultStub() string {
	const packaged = "/usr/libexec/upcalld/request-key"
	self, err := os.Executable()
	if err != nil {
		return packaged
	}
	beside := filepath.Join(filepath.Dir(self), "request-key")
	if filepath.Dir(self) != "/sbin" && filepath.Dir(self) != "/usr/sbin" {
		if _, err := os.Stat(beside); err == nil {
			return beside
		}
	}
	return packaged
}

func hookCommand(i *invocation) error {
	var takeover, dropIn bool
	var stub string
	i.flags.BoolVar(&takeover, "takeover", false, "")
	i.flags.BoolVar(&dropIn, "drop-in", false, "")
	i.flags.StringVar(&stub, "stub", defaultStub(), "")
	words, err := i.parse(1, 1)
	if err != nil {
		return err
	}
	if takeover && dropIn {
		return usageError("--takeover and --drop-in exclude each other")
	}
	stub, err = absolute(stub)
	if err != nil {
		return err
	}
	host := hook.Host{}
	var c hook.Change
	switch words[0] {
	case "enable":
		if dropIn {
			c, err = host.EnableDropIn(i.ctx, stub, "")
		} else {
			c, err = host.EnableTakeover(i.ctx, stub)
		}
	case "disable":
		c, err = host.Disable(i.ctx)
	case "status":
		return hookStatus(i, host, stub)
	default:
		return usageError(fmt.Sprintf("unknown operation %q", words[0]))
	}
	if err != nil {
		return err
	}
	if i.json {
		return i.printJSON(c)
	}
	for _, n := range c.Notes {
		fmt.Fprintln(i.out, n)
	}
	if !c.Changed {
		fmt.Fprintln(i.out, "nothing had to be changed")
	}
	return nil
}

func hookStatus(i *invocation, host hook.Host, stub string) error {
	s, err := host.Status(stub)
	if err != nil {
		return err
	}
	if i.json {
		return i.printJSON(s)
	}
	fmt.Fprintf(i.out, "mode         %s\nrequest-key  %s\n", s.Mode, s.RequestKey)
	for _, l := range []struct {
		show        bool
		label, text string
	}{
		{s.Stock, "kept", "/sbin/request-key.stock, what stood there before"},
		{s.Pending, "upgrade", "the copy is not the stub at " + stub + "; enable again"},
		{s.DropIn != "", "drop-in", s.DropIn},
		{s.ShadowedBy != "", "shadowed", "request-key prefers " + s.ShadowedBy},
		{s.StaticHelper.Set, "kernel", fmt.Sprintf("starts %q for every upcall (CONFIG_STATIC_USERMODEHELPER)", s.StaticHelper.Path)},
	} {
		if l.show {
			fmt.Fprintf(i.out, "%-12s %s\n", l.label, l.text)
		}
	}
	return nil
}
