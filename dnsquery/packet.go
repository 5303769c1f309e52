package dnsquery

import (
	"encoding/binary"
	"fmt"

	"github.com/miekg/dns"
)

// udpSize is what we say we can take by UDP: what passes everywhere without
// fragments (DNS flag day 2020).
const udpSize = 1232

// question is what is asked of a server.
type question struct {
	name  string // absolute
	qtype uint16
}

// pack builds a query with a new random id.
func (q question) pack(edns bool) (id uint16, packet []byte, err error) {
	m := new(dns.Msg)
	m.SetQuestion(q.name, q.qtype)
	m.Id = dns.Id()
	if edns {
		m.SetEdns0(udpSize, false)
	}
	packet, err = m.Pack()
	return m.Id, packet, err
}

// The header's bits (RFC 1035, section 4.1.1).
const (
	headerLen = 12
	bitQR     = 1 << 15
	bitTC     = 1 << 9
	maskOp    = 0xf << 11
	maskRcode = 0xf
)

// parse returns what packet says if it is an answer to q sent as id, and an
// error if it is anything else.
func (q question) parse(packet []byte, id uint16) (*digest, error) {
	if len(packet) < headerLen {
		return nil, fmt.Errorf("%d bytes are not an answer", len(packet))
	}
	be := binary.BigEndian
	bits := be.Uint16(packet[2:])
	if be.Uint16(packet) != id || bits&bitQR == 0 || bits&maskOp != 0 {
		return nil, fmt.Errorf("not an answer to the query")
	}
	if bare(packet) {
		return &digest{rcode: int(bits & maskRcode)}, nil
	}
	if be.Uint16(packet[4:]) != 1 || !q.echoed(packet) {
		return nil, fmt.Errorf("answers another question")
	}
	return q.unpack(packet, bits)
}

// bare recognises a header alone that says FORMERR or NOTIMP. Servers that do
// not know EDNS send it; it can do no more than make us ask again without.
func bare(packet []byte) bool {
	rcode := int(packet[3] & maskRcode)
	return len(packet) == headerLen && packet[4] == 0 && packet[5] == 0 &&
		(rcode == dns.RcodeFormatError || rcode == dns.RcodeNotImplemented)
}

// echoed says whether the first question in packet is q.
func (q question) echoed(packet []byte) bool {
	name, off, err := dns.UnpackDomainName(packet, headerLen)
	if err != nil || off+4 > len(packet) {
		return false
	}
	be := binary.BigEndian
	return sameName(name, q.name) && be.Uint16(packet[off:]) == q.qtype &&
		be.Uint16(packet[off+2:]) == dns.ClassINET
}

// unpacking bounds the memory that answers take while they are whole: a 64 kB
// packet of compressed names unpacks to megabytes.
var unpacking = make(chan struct{}, 8)

func (q question) unpack(packet []byte, bits uint16) (*digest, error) {
	if bits&bitTC != 0 {
		// Cut off wherever the server liked: not worth reading.
		return &digest{truncated: true, rcode: int(bits & maskRcode)}, nil
	}
	unpacking <- struct{}{}
	defer func() { <-unpacking }()
	m := new(dns.Msg)
	if err := m.Unpack(packet); err != nil {
		return nil, fmt.Errorf("malformed answer: %w", err)
	}
	return digestOf(m, q), nil
}
