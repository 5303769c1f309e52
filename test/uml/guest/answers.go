package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/broker/wire"
)

// answers stands in for the broker, so that the stub can be looked at alone:
// CLIENT=ADDRESS... says what it answers to a requester in which network
// namespace, at once and for as long as nobody forgets it.
func answers(args []string) error {
	table := map[string]string{}
	for _, arg := range args {
		client, addr, _ := strings.Cut(arg, "=")
		ns, err := netNamespace(client)
		if err != nil {
			return err
		}
		table[ns] = addr
	}
	listener, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(listener, &unix.SockaddrUnix{Name: "/run/upcalld/upcall"}); err != nil {
		return err
	}
	if err := unix.Listen(listener, 64); err != nil {
		return err
	}
	for {
		conn, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
		if err != nil {
			return err
		}
		go func() {
			defer unix.Close(conn)
			if err := answerOne(conn, table); err != nil {
				fmt.Fprintln(os.Stderr, "guest answers:", err)
			}
		}()
	}
}

// answerOne holds the conversation with one stub, up to its DONE.
func answerOne(conn int, table map[string]string) error {
	buf := make([]byte, wire.MaxMessage)
	n, err := unix.Read(conn, buf)
	if err != nil {
		return err
	}
	var request wire.Request
	if err := request.Parse(buf[:n]); err != nil {
		return err
	}
	ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", request.Thread))
	if err != nil {
		return err
	}
	if table[ns] == "" {
		return errors.New("a question from nobody we know")
	}
	verdict := wire.Verdict{
		Key: request.Key, Action: wire.ActPayload, Lifetime: ttl,
		Payload: append([]byte(table[ns]), 0),
	}
	if err := unix.Send(conn, verdict.AppendTo(nil), unix.MSG_NOSIGNAL); err != nil {
		return err
	}
	_, err = unix.Read(conn, buf) // DONE
	return err
}

// netNamespace returns a client's network namespace as /proc shows it.
func netNamespace(client string) (string, error) {
	if client == "host" {
		return os.Readlink("/proc/self/ns/net")
	}
	var st unix.Stat_t
	if err := unix.Stat("/run/netns/"+client, &st); err != nil {
		return "", fmt.Errorf("client %s: %w", client, err)
	}
	return fmt.Sprintf("net:[%d]", st.Ino), nil
}
