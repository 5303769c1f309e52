// Command request-key is the stub: the program the kernel starts when it wants
// a key. It takes authority over the key, asks the broker, and answers.
//
//	/sbin/request-key create KEY UID GID THREAD PROCESS SESSION
//	request-key create KEY UID GID THREAD PROCESS SESSION -- STOCK-HANDLER [ARG...]
//
// The first form is the kernel's own (security/keys/request_key.c,
// call_sbin_request_key); the second stands in a line of /etc/request-key.d
// and names what runs where upcalld does not answer.
//
// The requester waits uninterruptibly until this process exits, so every path
// through here ends: each wait has the deadline in it. The files: upcall.go
// the course of one upcall, args.go the command line, isolate.go, guard.go and
// tasks.go keep answers apart in the keyrings the kernel shares, broker.go the
// conversation, stock.go the fall-back, log.go the last resort.
package main

import (
	"os"
	"runtime"
	"syscall"
)

// marker lets hook recognise a copy of this program; see package hook.
const marker = "io.upcalld.request-key-stub/1"

func main() {
	// Authority over a key belongs to one thread's credentials. The process
	// ends with this thread, so it is never unlocked.
	runtime.LockOSThread()
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		writeAll(1, marker+"\n")
		syscall.Exit(0)
	}
	cmd, err := parseArgs(os.Args)
	if err != "" {
		say("upcalld request-key: " + err)
		writeAll(2, "request-key: "+err+"\nusage: request-key create KEY UID GID THREAD PROCESS SESSION [-- STOCK-HANDLER [ARG...]]\n")
		syscall.Exit(2)
	}
	syscall.Exit(answer(cmd))
}
