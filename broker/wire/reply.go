package wire

import "encoding/binary"

const (
	replyFixed = 80
	maxNote    = 1024
)

// Hash identifies the configuration an answer came from. Two roots with equal
// files have equal hashes.
type Hash [32]byte

// Reply is a helper's answer to a [Question].
type Reply struct {
	ID    uint64 // @12 of the question
	NSDev uint64 // @20 device and inode of the network namespace the helper
	NSIno uint64 // @28 answers in, so that the broker can refuse a wrong one
	TTL   uint32 // @36 seconds the answer, or the errno, may be remembered
	Errno uint16 // @40 0: Payload is the answer; @42 u16 length of Note
	// @44 u32 length of Payload
	Config  Hash   // @48
	Payload []byte // the answer as text, in the form of the helper's kind
	Note    []byte // a sentence for the log: what was odd; may be empty
}

// AppendTo appends the encoded message to b; a longer Note is cut.
func (r *Reply) AppendTo(b []byte) []byte {
	note := r.Note[:min(len(r.Note), maxNote)]
	b, m := grow(b, KindReply, replyFixed, len(r.Payload)+len(note))
	le := binary.LittleEndian
	le.PutUint64(m[12:], r.ID)
	le.PutUint64(m[20:], r.NSDev)
	le.PutUint64(m[28:], r.NSIno)
	le.PutUint32(m[36:], r.TTL)
	le.PutUint16(m[40:], r.Errno)
	le.PutUint16(m[42:], uint16(len(note)))
	le.PutUint32(m[44:], uint32(len(r.Payload)))
	copy(m[48:], r.Config[:])
	b = append(b, r.Payload...)
	return append(b, note...)
}

// Parse decodes b into r, whose texts then alias b.
func (r *Reply) Parse(b []byte) error {
	if err := check(b, KindReply, replyFixed); err != nil {
		return err
	}
	le := binary.LittleEndian
	*r = Reply{
		ID:    le.Uint64(b[12:]),
		NSDev: le.Uint64(b[20:]),
		NSIno: le.Uint64(b[28:]),
		TTL:   le.Uint32(b[36:]),
		Errno: le.Uint16(b[40:]),
	}
	copy(r.Config[:], b[48:])
	note, payload := uint32(le.Uint16(b[42:])), le.Uint32(b[44:])
	switch {
	case r.Errno >= 512:
		return Error("reply: errno out of range")
	case r.Errno != 0 && payload != 0:
		return Error("reply: both an errno and a payload")
	case note > maxNote || payload > MaxPayload:
		return Error("reply: a text is too long")
	}
	var err error
	rest := b[replyFixed:]
	if r.Payload, rest, err = cut(rest, payload); err != nil {
		return err
	}
	if r.Note, rest, err = cut(rest, note); err != nil {
		return err
	}
	if len(rest) != 0 {
		return Error("reply: bytes after the end")
	}
	return nil
}
