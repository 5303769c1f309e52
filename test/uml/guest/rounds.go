package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"time"
)

// A plan is one scenario: who follows the referral, in which order, how often.
type plan struct {
	Name     string        // of the scenario
	Count    int           // rounds; in each, every client follows once
	Together bool          // all clients at once, not one after the other
	Forget   bool          // clear the kernel's cache before each round
	Jitter   time.Duration // with Together: each waits a random part of it first
	Retries  int           // of a client that reached no server
	Out      string        // file for the results, JSON
}

// rounds runs a plan for the clients named in its arguments: CLIENT=SERVER, the
// client being a network namespace's name, or host, and SERVER what its name
// server means. A client's referral is at /mnt/CLIENT/ref.
func rounds(args []string) error {
	var p plan
	flags := flag.NewFlagSet("rounds", flag.ContinueOnError)
	flags.StringVar(&p.Name, "name", "rounds", "name of the scenario")
	flags.IntVar(&p.Count, "count", 1, "rounds")
	flags.BoolVar(&p.Together, "together", false, "all clients at once")
	flags.BoolVar(&p.Forget, "forget", false, "clear the kernel's cache before each round")
	flags.DurationVar(&p.Jitter, "jitter", 0, "random delay up to this, with -together")
	flags.IntVar(&p.Retries, "retries", 0, "retries of a client that reached no server")
	flags.StringVar(&p.Out, "out", "", "file for the results")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("usage: rounds [FLAG] CLIENT=SERVER [CLIENT=SERVER]")
	}
	clients, err := startClients(flags.Args())
	if err != nil {
		return err
	}
	start := time.Now()
	for range p.Count {
		if err := p.round(clients); err != nil {
			return err
		}
	}
	return p.report(clients, time.Since(start))
}

// round lets every client follow once.
func (p *plan) round(clients []*client) error {
	if p.Forget {
		if err := forget(); err != nil {
			return err
		}
	}
	for _, c := range clients {
		var delay time.Duration
		if p.Together && p.Jitter > 0 {
			delay = rand.N(p.Jitter)
		}
		if err := c.send(delay, p.Retries); err != nil {
			return err
		}
		if p.Together {
			continue
		}
		if err := c.receive(); err != nil {
			return err
		}
	}
	if !p.Together {
		return nil
	}
	return receiveAll(clients)
}

// receiveAll collects one outcome of each client.
func receiveAll(clients []*client) error {
	for _, c := range clients {
		if err := c.receive(); err != nil {
			return err
		}
	}
	return nil
}

// report writes the results to p.Out and a line of them to the console.
func (p *plan) report(clients []*client, took time.Duration) error {
	result := struct {
		Name    string
		Rounds  int
		Seconds float64
		Clients map[string]*tally
	}{p.Name, p.Count, took.Seconds(), map[string]*tally{}}
	for _, c := range clients {
		result.Clients[c.name] = &c.tally
	}
	text, err := json.Marshal(result)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n", text)
	if p.Out == "" {
		return nil
	}
	return os.WriteFile(p.Out, text, 0o644)
}
