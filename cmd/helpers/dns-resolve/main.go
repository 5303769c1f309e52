// Command dns-resolve answers the kernel's DNS questions for the containers of
// one network namespace.
//
// It is started in that namespace by socket activation, with a listening
// SOCK_SEQPACKET Unix socket; each question brings a handle on the root
// directory whose files configure the answer (broker/wire). It runs without
// privilege, knows nothing of keys, and exits when it has been idle.
//
//	dns-resolve [--idle DURATION]
//
// UPCALLD_NETNS="dev:ino" in the environment names the network namespace where
// /proc does not show it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/upcalld/upcalld/cmd/helpers/dns-resolve/internal/answer"
	"github.com/upcalld/upcalld/cmd/helpers/dns-resolve/internal/serve"
	"github.com/upcalld/upcalld/sandbox"
)

func main() {
	idle := flag.Duration("idle", 60*time.Second, "exit after this time without a question; 0 stays")
	flag.Parse()
	if err := run(*idle); err != nil {
		fmt.Fprintln(os.Stderr, "dns-resolve:", err)
		os.Exit(1)
	}
}

func run(idle time.Duration) error {
	debug.SetMemoryLimit(64 << 20)
	runtime.GOMAXPROCS(min(2, runtime.GOMAXPROCS(0)))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	dev, ino, err := netNamespace()
	if err != nil {
		return err
	}
	listeners, err := serve.Inherit()
	if err != nil {
		return err
	}
	if err := sandbox.Lock(); err != nil {
		return err
	}
	a := &answer.Answerer{NSDev: dev, NSIno: ino}
	s := &serve.Server{Handler: a.Answer, Idle: idle}
	return s.Run(ctx, listeners)
}
