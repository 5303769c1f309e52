package sandbox

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// LogEnv is the environment variable that makes the kernel log refused calls.
// It takes nothing away from the filters.
const LogEnv = "UPCALLD_SANDBOX_LOG"

// ErrCgo means that the program was linked with cgo: then the runtime cannot
// change the credentials of threads that it did not make. Nothing is locked.
var ErrCgo = errors.New("sandbox: needs a program built with CGO_ENABLED=0")

// Lock gives up what a helper never needs, for all threads of the process, now
// and later. Call it once, first thing in main. On an error the process may be
// locked in part and must exit: it must not go on to serve.
func Lock() error {
	steps := []struct {
		name string
		do   func() error
	}{
		{"PR_SET_NO_NEW_PRIVS", noNewPrivs}, // first: without it, filters need CAP_SYS_ADMIN
		{"RLIMIT_CORE", noCore},
		{"bounding set", dropBounding}, // before capset, which takes away CAP_SETPCAP
		{"ambient capabilities", dropAmbient},
		{"capset", dropCapabilities},
		{"PR_SET_DUMPABLE", notDumpable}, // after capset: a change of credentials may set it again
		{"seccomp", install},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("sandbox: %s: %w", s.name, err)
		}
	}
	return nil
}

func logging() bool { return os.Getenv(LogEnv) == "1" }

// noCore keeps what the helper knows out of core files; PR_SET_DUMPABLE does
// too, but not where core_pattern is a pipe (fs/coredump.c) and suid_dumpable 2.
func noCore() error {
	return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
}

// notDumpable also keeps other processes of the same uid from ptrace and from
// this one's /proc files (kernel/ptrace.c, __ptrace_may_access).
func notDumpable() error {
	return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}
