package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

// entry is the parsed command line.
type entry struct {
	sockets int // file descriptors 3 and on that the program inherits
	net     int // network namespace
	program int // executable
	uid     int
	gid     int
	argv    []string
}

func parseArgs(args []string) (entry, error) {
	var e entry
	f := flag.NewFlagSet("upcalld-enter", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.IntVar(&e.sockets, "sockets", 0, "")
	f.IntVar(&e.net, "net", -1, "")
	f.IntVar(&e.program, "program", -1, "")
	f.IntVar(&e.uid, "uid", -1, "")
	f.IntVar(&e.gid, "gid", -1, "")
	if err := f.Parse(args); err != nil {
		return e, err
	}
	e.argv = f.Args()
	first := 3 + e.sockets
	switch {
	case len(e.argv) == 0:
		return e, errors.New("no program name after --")
	case e.sockets < 0 || e.sockets > 16:
		return e, fmt.Errorf("--sockets %d: not between 0 and 16", e.sockets)
	case e.net < first || e.program < first || e.net == e.program:
		return e, fmt.Errorf("--net %d, --program %d: not two file descriptors from %d on", e.net, e.program, first)
	case e.uid <= 0 || e.gid <= 0:
		return e, fmt.Errorf("--uid %d --gid %d: a helper never runs as root", e.uid, e.gid)
	}
	return e, nil
}
