// Command upcalld is the broker daemon.
//
//	upcalld [--config FILE] [--state-dir DIR] [--runtime-dir DIR] [--libexec-dir DIR]
//	upcalld --check-config [--config FILE]
//
// It takes its sockets from systemd or opens its own, answers until it gets
// SIGTERM or SIGINT, and then lets every upcall in flight be answered. The
// files: main.go the order of things, flags.go the command line, sockets.go the
// two sockets, log.go the log, ready.go what systemd is told.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/upcalld/upcalld/api"
	"github.com/upcalld/upcalld/broker"
	"github.com/upcalld/upcalld/config"
)

// version is set by the linker.
var version = "devel"

func main() {
	f, err := parseFlags(os.Args[1:])
	if err == nil {
		err = run(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "upcalld:", err)
		os.Exit(1)
	}
}

func run(f flags) error {
	c, err := config.Load(f.config)
	if err != nil || f.checkConfig {
		return err
	}
	w := newLogWriter(os.Stderr)
	defer w.close()
	log, err := newLog(c.LogLevel, w)
	if err != nil {
		return err
	}
	for _, w := range c.Warnings {
		log.Warn(w)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("must run as root: it reads every container's namespaces")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	// Reload is not there yet; a hang-up must not end upcalls.
	signal.Ignore(syscall.SIGHUP)
	return serve(ctx, f, c, log)
}

func serve(ctx context.Context, f flags, c config.Config, log *slog.Logger) error {
	s, err := openSockets(f.runtimeDir)
	if err != nil {
		return err
	}
	defer s.close()
	b, err := broker.New(broker.Options{
		RuntimeDir: f.runtimeDir, LibexecDir: f.libexecDir, Policy: c.Policy, Log: log,
	})
	if err != nil {
		return err
	}
	defer b.Close()
	methods, err := api.NewServer(b, version, log)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.ServeUpcalls(ctx, s.upcalls) })
	g.Go(func() error { return serveAPI(ctx, methods, s.api) })
	g.Go(func() error { return watchdog(ctx, b, log) })
	log.Info("ready", "version", version, "runtime-dir", f.runtimeDir, "sockets", s.origin)
	ready(log)
	<-ctx.Done()
	stopping(log)
	err = g.Wait()
	log.Info("stopped")
	return err
}

// defaultLibexecDir is where the packages put helpers; beside the program's own
// file it is bin/, when run from its source.
func defaultLibexecDir() string {
	const packaged = "/usr/libexec/upcalld"
	self, err := os.Executable()
	if err != nil {
		return packaged
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(self), "upcalld-enter")); err == nil {
		return filepath.Dir(self)
	}
	return packaged
}
