package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// A tally counts what came of a client's rounds.
type tally struct {
	Own     int            // reached the server that its own name server names
	Foreign map[string]int // reached another one, by name
	Failed  map[string]int // reached none, by errno
	Retried int            // refused, and asked again
}

// A client is an agent process in a network namespace, and its tally.
type client struct {
	name, own string
	in        io.Writer
	out       *bufio.Scanner
	tally     tally
}

// startClients starts an agent for each CLIENT=SERVER.
func startClients(args []string) ([]*client, error) {
	var clients []*client
	for _, arg := range args {
		name, own, _ := strings.Cut(arg, "=")
		c := &client{name: name, own: own}
		c.tally.Foreign, c.tally.Failed = map[string]int{}, map[string]int{}
		if err := c.start(); err != nil {
			return nil, fmt.Errorf("client %s: %w", name, err)
		}
		clients = append(clients, c)
	}
	return clients, nil
}

// start runs the agent in the client's network namespace. A child is forked
// from the calling thread and inherits the namespace from it, so a goroutine
// enters first, and takes its thread with it when it ends: deliberately it
// never unlocks.
func (c *client) start() error {
	agent := exec.Command("/proc/self/exe", "agent", "/mnt/"+c.name+"/ref")
	agent.Stderr = os.Stderr
	in, err := agent.StdinPipe()
	if err != nil {
		return err
	}
	out, err := agent.StdoutPipe()
	if err != nil {
		return err
	}
	c.in, c.out = in, bufio.NewScanner(out)
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		if c.name != "host" {
			if err := enterNet("/run/netns/" + c.name); err != nil {
				started <- err
				return
			}
		}
		started <- agent.Start()
	}()
	return <-started
}

// send tells the agent to follow after delay, with at most so many retries.
func (c *client) send(delay time.Duration, retries int) error {
	_, err := fmt.Fprintln(c.in, delay.Microseconds(), retries)
	return err
}

// receive waits for the agent's outcome and counts it.
func (c *client) receive() error {
	if !c.out.Scan() {
		return fmt.Errorf("client %s ended: %v", c.name, c.out.Err())
	}
	var outcome string
	var retried int
	if _, err := fmt.Sscan(c.out.Text(), &outcome, &retried); err != nil {
		return fmt.Errorf("client %s said %q: %w", c.name, c.out.Text(), err)
	}
	c.tally.Retried += retried
	reason, failed := strings.CutPrefix(outcome, "!")
	switch {
	case failed:
		c.tally.Failed[reason]++
	case outcome == c.own:
		c.tally.Own++
	default:
		c.tally.Foreign[outcome]++
	}
	return nil
}
