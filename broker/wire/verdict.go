package wire

import "encoding/binary"

// Action is what the stub is told to do with the key.
type Action uint8

// The actions.
const (
	// ActPayload: instantiate with Payload.
	ActPayload Action = 1 + iota
	// ActReject: reject with Errno.
	ActReject
	// ActStock: hand the key to the stock handler.
	ActStock
)

// FlagShare in a [Verdict]: nobody could get another answer, so an isolated
// key may go back into the keyring the stub took it from.
const FlagShare = 1 << 0

const verdictFixed = 32

// Verdict is the broker's one answer to a [Request].
type Verdict struct {
	Key      int32  // @12 echoes the request
	Action   Action // @16
	Flags    uint8  // @17
	Errno    uint16 // @18 for ActReject: positive errno
	Lifetime uint32 // @20 seconds the key lives; the stub never sets less than 2
	// @24 u32 length of Payload, @28 u32 reserved, zero; then Payload.
	Payload []byte
}

// AppendTo appends the encoded message to b.
func (v *Verdict) AppendTo(b []byte) []byte {
	b, m := grow(b, KindVerdict, verdictFixed, len(v.Payload))
	le := binary.LittleEndian
	le.PutUint32(m[12:], uint32(v.Key))
	m[16], m[17] = byte(v.Action), v.Flags
	le.PutUint16(m[18:], v.Errno)
	le.PutUint32(m[20:], v.Lifetime)
	le.PutUint32(m[24:], uint32(len(v.Payload)))
	return append(b, v.Payload...)
}

// Parse decodes b into v, whose payload then aliases b.
func (v *Verdict) Parse(b []byte) error {
	if err := check(b, KindVerdict, verdictFixed); err != nil {
		return err
	}
	le := binary.LittleEndian
	*v = Verdict{
		Key:      int32(le.Uint32(b[12:])),
		Action:   Action(b[16]),
		Flags:    b[17],
		Errno:    le.Uint16(b[18:]),
		Lifetime: le.Uint32(b[20:]),
	}
	n := le.Uint32(b[24:])
	switch {
	case le.Uint32(b[28:]) != 0:
		return Error("verdict: reserved field is not zero")
	case v.Action < ActPayload || v.Action > ActStock:
		return Error("verdict: unknown action")
	case v.Action == ActReject && (v.Errno == 0 || v.Errno >= 512):
		// From 512 on are the kernel's own restart codes: keyctl refuses them.
		return Error("verdict: errno out of range")
	case v.Action == ActPayload && n == 0, v.Action != ActPayload && n != 0:
		return Error("verdict: payload does not fit the action")
	case n > MaxPayload:
		return Error("verdict: payload too long")
	}
	var err error
	var rest []byte
	if v.Payload, rest, err = cut(b[verdictFixed:], n); err != nil {
		return err
	}
	if len(rest) != 0 {
		return Error("verdict: bytes after the end")
	}
	return nil
}
