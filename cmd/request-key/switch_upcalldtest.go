//go:build upcalldtest

package main

import (
	"strings"

	"github.com/upcalld/upcalld/keyring"
)

// This file is compiled into the test lanes' stub only. It lets a session
// keyring that two processes share stand in for the kernel's .dns_resolver
// ring, and switches guards off to prove that a lane can see what they prevent.
//
//	go build -tags upcalldtest -ldflags "-X main.testRing=NAME -X main.testOff=unlink,guard"
var testRing, testOff string

func init() {
	if testRing != "" {
		sharedRings = append(sharedRings, testRing)
	}
}

// isolatedRing keeps the key in the requester's own thread keyring: a process
// cannot read a key that hangs nowhere, as the kernel's own callers can.
func isolatedRing(c command) keyring.Serial {
	if testRing == "" || testSwitch("unlink") {
		return 0
	}
	return c.thread
}

func testSwitch(name string) bool {
	for _, s := range strings.Split(testOff, ",") {
		if s == name {
			return true
		}
	}
	return false
}
