// Command guest is what the lanes run inside the User-mode Linux guest, in one
// file because starting a program is what the guest is slowest at.
//
//	nameserver   answers questions for addresses, one per network namespace
//	rounds       lets clients in several namespaces follow an NFS referral
//	agent        one such client; started by rounds
//	naive        a dns_resolver handler that enters the requester's network
//	             namespace but leaves the key in the kernel's shared cache
//	answers      stands in for the broker, so that the stub is looked at alone
//	ask          makes the request_key(2) call and prints the answer
//	question     asks a helper directly and prints the answer
//	forget       clears the kernel's cache of dns_resolver keys
package main

import (
	"fmt"
	"os"
)

var commands = map[string]func(args []string) error{
	"nameserver": nameserver,
	"rounds":     rounds,
	"agent":      agent,
	"naive":      naive,
	"answers":    answers,
	"ask":        ask,
	"question":   question,
	"forget":     func([]string) error { return forget() },
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: guest nameserver|rounds|agent|naive|answers|ask|question|forget ARGUMENT...")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "guest %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
