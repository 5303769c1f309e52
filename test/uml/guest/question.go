package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/broker/wire"
)

// question asks a helper directly, at SOCKET, for NAME with the files in ETC (a
// directory below the root), and prints the answer and the network namespace it
// was found in.
func question(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: question SOCKET ETC NAME")
	}
	conn, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Connect(conn, &unix.SockaddrUnix{Name: args[0]}); err != nil {
		return fmt.Errorf("connect to %s: %w", args[0], err)
	}
	root, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	q := wire.Question{
		ID: 1, MillisLeft: 9000, Ask: wire.AskAnswer,
		Etc: []byte(args[1]), Subject: []byte(args[2]),
	}
	if err := unix.Sendmsg(conn, q.AppendTo(nil), unix.UnixRights(root), nil, 0); err != nil {
		return err
	}
	return printReply(conn)
}

// printReply reads the helper's one reply.
func printReply(conn int) error {
	packet := make([]byte, wire.MaxMessage)
	n, err := unix.Read(conn, packet)
	if err != nil {
		return err
	}
	var reply wire.Reply
	if err := reply.Parse(packet[:n]); err != nil {
		return err
	}
	if len(reply.Note) > 0 {
		fmt.Fprintf(os.Stderr, "%q\n", reply.Note)
	}
	if reply.Errno != 0 {
		return unix.Errno(reply.Errno)
	}
	_, err = fmt.Printf("%s net:[%d]\n", unix.ByteSliceToString(reply.Payload), reply.NSIno)
	return err
}
