package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/upcalld/upcalld/config"
)

// flags is the parsed command line.
type flags struct {
	config      string
	stateDir    string
	runtimeDir  string
	libexecDir  string
	checkConfig bool
}

func parseFlags(args []string) (flags, error) {
	var f flags
	var showVersion bool
	set := flag.NewFlagSet("upcalld", flag.ContinueOnError)
	set.StringVar(&f.config, "config", config.Path, "configuration `file`; drop-ins are in FILE.d")
	set.StringVar(&f.stateDir, "state-dir", "/var/lib/upcalld", "`directory` for what outlives a boot")
	set.StringVar(&f.runtimeDir, "runtime-dir", "/run/upcalld", "`directory` for sockets; stubs know only the default")
	set.StringVar(&f.libexecDir, "libexec-dir", defaultLibexecDir(), "`directory` of the helpers")
	set.BoolVar(&f.checkConfig, "check-config", false, "check the configuration and exit")
	set.BoolVar(&showVersion, "version", false, "print the version and exit")
	err := set.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	case err != nil:
		os.Exit(2) // the flag package has said why
	case showVersion:
		fmt.Println("upcalld", version)
		os.Exit(0)
	case set.NArg() > 0:
		fmt.Fprintf(os.Stderr, "upcalld: unexpected argument %q\n", set.Arg(0))
		os.Exit(2)
	}
	for _, d := range []*string{&f.stateDir, &f.runtimeDir, &f.libexecDir} {
		if *d, err = filepath.Abs(*d); err != nil {
			return f, err
		}
	}
	return f, nil
}
