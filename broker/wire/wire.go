// Package wire holds the messages that upcalld's processes exchange.
//
// Every message is one packet on a SOCK_SEQPACKET Unix socket: a fixed header,
// fixed-width little-endian fields, then the variable parts, in that order.
// A program without a heap can speak it: the offsets below are the protocol,
// encoding appends to the caller's buffer, and decoding keeps slices of it.
//
// Between the stub (cmd/request-key) and the broker, one connection per upcall:
//
//	stub                                  broker
//	  | ---- REQUEST  key, auth, requester --> |
//	  | <--- VERDICT  payload|reject|stock --- |
//	  | ---- DONE     outcome, waiters ------> |
//
// Between the broker and a helper (cmd/helpers), one connection for many
// questions, answered in any order:
//
//	broker                                helper
//	  | ---- QUESTION id, subject (+root fd) -> |
//	  | <--- REPLY    id, payload|errno, ttl -- |
//
// The files: wire.go the header, request.go, verdict.go, done.go the stub's
// three messages, question.go and reply.go the helper's two.
package wire

import "encoding/binary"

// Version of every message here. A peer with another version is refused.
const Version = 1

// Magic starts every message: "UPCL" in memory.
const Magic = 0x4c435055

// Kind says which message a packet holds.
type Kind uint16

// The messages.
const (
	KindRequest Kind = 1 + iota
	KindVerdict
	KindDone
	KindQuestion
	KindReply
)

// Limits that hold for every message. MaxMessage stays well below the size at
// which the kernel refuses a packet with the default socket buffer (about
// 212 kB on Linux 6.18).
const (
	MaxMessage = 160 << 10
	MaxType    = 32   // bytes of a key type's name; the kernel stops at 31 (security/keys/keyctl.c, key_get_type_from_user)
	MaxText    = 4096 // bytes of a description; the kernel's KEY_MAX_DESC_SIZE
	MaxCallout = 64 << 10
	MaxPayload = 128 << 10
)

// header: magic u32 @0, version u16 @4, kind u16 @6, length of the whole u32 @8.
const headerSize = 12

// Error is a malformed message; it names the message and what is wrong.
type Error string

func (e Error) Error() string { return "wire: " + string(e) }

// KindOf returns the kind of the message in b after checking its header, or
// an [Error]. It does not look beyond the header.
func KindOf(b []byte) (Kind, error) {
	if len(b) < headerSize {
		return 0, Error("message shorter than its header")
	}
	if binary.LittleEndian.Uint32(b) != Magic {
		return 0, Error("not one of ours: wrong magic")
	}
	if binary.LittleEndian.Uint16(b[4:]) != Version {
		return 0, Error("unknown protocol version")
	}
	if uint64(binary.LittleEndian.Uint32(b[8:])) != uint64(len(b)) || len(b) > MaxMessage {
		return 0, Error("length field does not match the packet")
	}
	return Kind(binary.LittleEndian.Uint16(b[6:])), nil
}

// check verifies the header, the kind, and that the fixed part is there.
func check(b []byte, want Kind, fixed int) error {
	k, err := KindOf(b)
	if err != nil {
		return err
	}
	if k != want {
		return Error("unexpected kind of message")
	}
	if len(b) < fixed {
		return Error("fixed part is cut off")
	}
	return nil
}

// grow appends a zeroed fixed part with its header to b.
func grow(b []byte, k Kind, fixed, variable int) (all, msg []byte) {
	start := len(b)
	for i := 0; i < fixed; i++ {
		b = append(b, 0)
	}
	m := b[start:]
	binary.LittleEndian.PutUint32(m, Magic)
	binary.LittleEndian.PutUint16(m[4:], Version)
	binary.LittleEndian.PutUint16(m[6:], uint16(k))
	binary.LittleEndian.PutUint32(m[8:], uint32(fixed+variable))
	return b, m
}

// cut takes n bytes off the front of b; n comes from the peer.
func cut(b []byte, n uint32) (head, rest []byte, err error) {
	if uint64(n) > uint64(len(b)) {
		return nil, nil, Error("a variable part is cut off")
	}
	return b[:n:n], b[n:], nil
}
