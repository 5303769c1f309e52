package wire

import "encoding/binary"

// Op is what the kernel asks for; only [OpCreate] exists today.
type Op uint8

// OpCreate: construct a key (the kernel's "create").
const OpCreate Op = 1

// Flags of a [Request].
const (
	// FlagIsolated: the key hung in a keyring that the kernel shares between
	// all containers, and the stub has taken it out.
	FlagIsolated = 1 << 0
)

const requestFixed = 56

// Request is what the stub tells the broker of one upcall. Type, Description
// and Callout are text of the requester's making: hostile until parsed.
type Request struct {
	MillisLeft uint32 // @12 until the stub gives up and rejects the key
	Key        int32  // @16 serial of the key under construction
	Auth       int32  // @20 serial of its auth key
	Ring       int32  // @24 serial of the keyring the key was made for; 0 unknown
	Thread     int32  // @28 thread id of the requester, in the host's pid namespace
	UID        uint32 // @32 of the requester, as the kernel passed it
	GID        uint32 // @36
	Op         Op     // @40
	Flags      uint8  // @41
	// @42 u16 length of Type, @44 u32 of Description, @48 u32 of Callout,
	// @52 u32 reserved, zero; the three texts follow in this order.
	Type        []byte
	Description []byte
	Callout     []byte
}

// AppendTo appends the encoded message to b. It allocates only if b must grow.
func (r *Request) AppendTo(b []byte) []byte {
	b, m := grow(b, KindRequest, requestFixed, len(r.Type)+len(r.Description)+len(r.Callout))
	le := binary.LittleEndian
	le.PutUint32(m[12:], r.MillisLeft)
	le.PutUint32(m[16:], uint32(r.Key))
	le.PutUint32(m[20:], uint32(r.Auth))
	le.PutUint32(m[24:], uint32(r.Ring))
	le.PutUint32(m[28:], uint32(r.Thread))
	le.PutUint32(m[32:], r.UID)
	le.PutUint32(m[36:], r.GID)
	m[40], m[41] = byte(r.Op), r.Flags
	le.PutUint16(m[42:], uint16(len(r.Type)))
	le.PutUint32(m[44:], uint32(len(r.Description)))
	le.PutUint32(m[48:], uint32(len(r.Callout)))
	b = append(b, r.Type...)
	b = append(b, r.Description...)
	return append(b, r.Callout...)
}

// Parse decodes b into r, whose texts then alias b. A malformed message is an
// [Error] and leaves r unusable.
func (r *Request) Parse(b []byte) error {
	if err := check(b, KindRequest, requestFixed); err != nil {
		return err
	}
	le := binary.LittleEndian
	*r = Request{
		MillisLeft: le.Uint32(b[12:]),
		Key:        int32(le.Uint32(b[16:])),
		Auth:       int32(le.Uint32(b[20:])),
		Ring:       int32(le.Uint32(b[24:])),
		Thread:     int32(le.Uint32(b[28:])),
		UID:        le.Uint32(b[32:]),
		GID:        le.Uint32(b[36:]),
		Op:         Op(b[40]),
		Flags:      b[41],
	}
	typ, desc, callout := uint32(le.Uint16(b[42:])), le.Uint32(b[44:]), le.Uint32(b[48:])
	switch {
	case le.Uint32(b[52:]) != 0:
		return Error("request: reserved field is not zero")
	case r.Op != OpCreate:
		return Error("request: unknown operation")
	case r.Key <= 0 || r.Auth <= 0 || r.Thread <= 0:
		return Error("request: key, auth key and requester must be positive")
	case typ == 0 || typ > MaxType:
		return Error("request: type is empty or too long")
	case desc > MaxText:
		return Error("request: description too long")
	case callout > MaxCallout:
		return Error("request: callout too long")
	}
	var err error
	rest := b[requestFixed:]
	if r.Type, rest, err = cut(rest, typ); err != nil {
		return err
	}
	if r.Description, rest, err = cut(rest, desc); err != nil {
		return err
	}
	if r.Callout, rest, err = cut(rest, callout); err != nil {
		return err
	}
	if len(rest) != 0 {
		return Error("request: bytes after the end")
	}
	return nil
}
