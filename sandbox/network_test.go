package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/upcalld/upcalld/rootfile"
	"golang.org/x/sys/unix"
)

// What a helper does on the network and with files; run by the locked child.

func tcp() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, err = c.Write([]byte("hello"))
			c.Close()
		}
		served <- err
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	return errors.Join(expect(c, "hello"), <-served)
}

func expect(r io.Reader, want string) error {
	buf := make([]byte, len(want))
	if _, err := io.ReadFull(r, buf); err != nil {
		return err
	}
	if string(buf) != want {
		return fmt.Errorf("read %q", buf)
	}
	return nil
}

// udp goes both ways, and over IPv6 where the host has it.
func udp() error {
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		s, err := net.ListenPacket("udp", at)
		if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
			continue
		}
		if err != nil {
			return err
		}
		defer s.Close()
		c, err := net.Dial("udp", s.LocalAddr().String())
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.Write([]byte("question")); err != nil {
			return err
		}
		buf := make([]byte, 100)
		n, from, err := s.ReadFrom(buf)
		if err != nil {
			return err
		}
		if _, err := s.WriteTo(buf[:n], from); err != nil {
			return err
		}
		if err := expect(c, "question"); err != nil {
			return err
		}
	}
	return nil
}

// seqpacket passes the handle of a folder over an inherited pair, as a root handle
// comes, by package net on one side.
func seqpacket(pair [2]int) error {
	defer unix.Close(pair[0])
	dir, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	f := os.NewFile(uintptr(pair[1]), "pair")
	c, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := unix.Sendmsg(pair[0], []byte("root"), unix.UnixRights(dir), nil, 0); err != nil {
		return err
	}
	buf, oob := make([]byte, 100), make([]byte, 100)
	n, oobn, _, _, err := c.(*net.UnixConn).ReadMsgUnix(buf, oob)
	if err != nil || string(buf[:n]) != "root" {
		return fmt.Errorf("read %q, %w", buf[:n], err)
	}
	return useHandle(oob[:oobn])
}

// useHandle reads a file below the passed handle, as a helper does.
func useHandle(oob []byte) error {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return err
	}
	defer unix.Close(fds[0])
	var files rootfile.Reader
	f, err := files.Read(context.Background(), fds[0], "etc/passwd", 1<<20)
	if err == nil && len(f.Data) == 0 {
		err = errors.New("empty")
	}
	return err
}

func routes() error {
	c, err := rtnetlink.Dial(nil)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Route.List(); err != nil {
		return err
	}
	links, err := c.Link.List()
	if err == nil && len(links) == 0 {
		err = errors.New("no links")
	}
	_, err2 := net.InterfaceAddrs()
	return errors.Join(err, err2)
}

func readFile() error {
	text, err := os.ReadFile("/etc/passwd")
	if err == nil && len(text) == 0 {
		err = errors.New("empty")
	}
	_, err2 := os.Stat("/etc")
	return errors.Join(err, err2)
}
