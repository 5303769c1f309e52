package lab

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

var signalsOnce sync.Once

// catchSignals closes every lab when the run is interrupted, then lets the
// signal do what it would have done. A second signal is not waited for.
func catchSignals() {
	signalsOnce.Do(func() {
		ch := make(chan os.Signal, 1)
		signal.Notify(ch, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
		go interrupted(ch)
	})
}

func interrupted(ch chan os.Signal) {
	sig := (<-ch).(syscall.Signal)
	signal.Reset(sig)
	if err := CloseAll(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	_ = unix.Kill(os.Getpid(), sig)
	os.Exit(128 + int(sig)) // it was ignored when this process began, as in a shell's background
}
