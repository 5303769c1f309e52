package dnsquery

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

const (
	maxDatagram  = 4096 // more than udpSize, for servers that do not listen
	maxStrays    = 256  // packets ignored by one try
	maxStraysTCP = 16   // each can be 64 kB
)

// errStrays reports that something arrived, and never an answer.
var errStrays = errors.New("no answer among what arrived")

// exchange asks one server one question: by UDP, by TCP if that was cut off,
// without EDNS if the server does not know it.
func exchange(ctx context.Context, server netip.AddrPort, q question, tcp bool) (*digest, *Failure) {
	for edns := true; ; {
		id, packet, err := q.pack(edns)
		if err != nil {
			return nil, failed(BadName, q.name, err.Error())
		}
		send := overUDP
		if tcp {
			send = overTCP
		}
		d, err := send(ctx, server, q, id, packet)
		switch {
		case err != nil:
			return nil, classify(q, server, err)
		case d.truncated && !tcp:
			tcp = true
		case edns && refusesEDNS(d.rcode):
			edns = false
		default:
			return judge(d, q, server)
		}
	}
}

func refusesEDNS(rcode int) bool {
	return rcode == dns.RcodeFormatError || rcode == dns.RcodeNotImplemented || rcode == dns.RcodeBadVers
}

// judge sorts answers that say something about the name from those that only
// say something about the server.
func judge(d *digest, q question, server netip.AddrPort) (*digest, *Failure) {
	fail := func(errno syscall.Errno, what string) (*digest, *Failure) {
		return nil, failed(errno, q.name, fmt.Sprintf("%v: %s", server, what))
	}
	switch {
	case d.truncated:
		return fail(Malformed, "cut off even by TCP")
	case d.nxdomain:
		d.addrs = nil
		return d, nil
	case d.rcode == dns.RcodeServerFailure:
		return fail(ServFail, "SERVFAIL")
	case d.rcode == dns.RcodeRefused:
		return fail(Refused, "REFUSED")
	case d.rcode != dns.RcodeSuccess:
		return fail(OtherRcode, fmt.Sprintf("response code %d", d.rcode))
	case d.referral:
		return fail(ServFail, "only refers to other servers")
	case d.stray:
		return fail(Malformed, "answers for other names only")
	}
	return d, nil
}

// classify turns an error on the wire into a failure.
func classify(q question, server netip.AddrPort, err error) *Failure {
	errno := Unreachable
	var ne net.Error
	switch {
	case errors.Is(err, errStrays), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		errno = Malformed
	case errors.Is(err, context.Canceled), errors.As(err, &ne) && ne.Timeout():
		errno = TimedOut
	}
	return failed(errno, q.name, fmt.Sprintf("%v: %v", server, err))
}

// bind makes every later operation on c end with ctx. The returned function
// releases it.
func bind(ctx context.Context, c net.Conn) (release func() bool) {
	return context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
}

// overUDP sends from a new socket, so from a new random port. The socket is
// connected: the kernel drops what other addresses send.
func overUDP(ctx context.Context, server netip.AddrPort, q question, id uint16, packet []byte) (*digest, error) {
	var dialer net.Dialer
	c, err := dialer.DialUDP(ctx, "udp", netip.AddrPort{}, server)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer bind(ctx, c)()
	if _, err := c.Write(packet); err != nil {
		return nil, err
	}
	buf := make([]byte, maxDatagram)
	for stray := 0; stray < maxStrays; stray++ {
		n, err := c.Read(buf)
		if err != nil {
			return nil, afterStrays(stray, err)
		}
		if d, err := q.parse(buf[:n], id); err == nil {
			return d, nil
		}
	}
	return nil, errStrays
}

// overTCP sends with the length in front (RFC 1035, section 4.2.2).
func overTCP(ctx context.Context, server netip.AddrPort, q question, id uint16, packet []byte) (*digest, error) {
	var dialer net.Dialer
	c, err := dialer.DialTCP(ctx, "tcp", netip.AddrPort{}, server)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer bind(ctx, c)()
	framed := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(packet)), uint16(len(packet)))
	if _, err := c.Write(append(framed, packet...)); err != nil {
		return nil, err
	}
	for stray := 0; stray < maxStraysTCP; stray++ {
		frame, err := readFrame(c)
		if err != nil {
			return nil, afterStrays(stray, err)
		}
		if d, err := q.parse(frame, id); err == nil {
			return d, nil
		}
	}
	return nil, errStrays
}

func readFrame(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, frame)
	return frame, err
}

func afterStrays(strays int, err error) error {
	if strays > 0 {
		return fmt.Errorf("%w: %d packets ignored (%v)", errStrays, strays, err)
	}
	return err
}
