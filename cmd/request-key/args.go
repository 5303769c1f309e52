package main

import (
	"strconv"

	"github.com/upcalld/upcalld/keyring"
)

// command is the stub's parsed command line.
type command struct {
	argv   []string // the kernel's own words, for a stock request-key
	key    keyring.Serial
	uid    uint32
	gid    uint32
	thread keyring.Serial // the requester's thread keyring, 0 if it has none
	stock  []string       // what stands after "--"
}

// parseArgs parses the command line; the second result is what is wrong.
func parseArgs(args []string) (command, string) {
	c := command{argv: args}
	for i, a := range args {
		if a == "--" {
			c.argv, c.stock = args[:i], args[i+1:]
			if len(c.stock) == 0 {
				return c, "no stock handler after --"
			}
			break
		}
	}
	if len(c.argv) != 8 {
		return c, "expected 7 arguments, got " + strconv.Itoa(len(c.argv)-1)
	}
	if c.argv[1] != "create" {
		return c, "unknown operation " + strconv.Quote(c.argv[1])
	}
	var n [6]int64
	for i := range n {
		var err error
		if n[i], err = strconv.ParseInt(c.argv[2+i], 10, 64); err != nil || n[i] < -1<<31 || n[i] >= 1<<32 {
			return c, "not a number: " + strconv.Quote(c.argv[2+i])
		}
	}
	if n[0] <= 0 || n[0] >= 1<<31 {
		return c, "not a key: " + strconv.Quote(c.argv[2])
	}
	c.key = keyring.Serial(n[0])
	// The kernel prints ids with %d: 4294967294 arrives as -2.
	c.uid, c.gid = uint32(n[1]), uint32(n[2])
	c.thread = keyring.Serial(int32(n[3]))
	return c, ""
}
