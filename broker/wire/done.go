package wire

import "encoding/binary"

// Outcome is what became of the key.
type Outcome uint8

// The outcomes.
const (
	DoneInstantiated Outcome = 1 + iota
	DoneRejected
	DoneStock   // about to be handed to the stock handler
	DoneRefused // the broker had an answer, but a foreign task waited on the key
	DoneFailed  // the kernel refused the stub's keyctl; Errno says how
)

const doneSize = 32

// Done is the stub's last word on one upcall.
type Done struct {
	Key     int32   // @12
	Outcome Outcome // @16; @17 zero
	Errno   uint16  // @18 the key's errno, or the failed keyctl's
	Waiters uint16  // @20 others seen waiting on the key; @22 zero
	Micros  uint32  // @24 since the stub started; @28 zero
}

// AppendTo appends the encoded message to b.
func (d *Done) AppendTo(b []byte) []byte {
	b, m := grow(b, KindDone, doneSize, 0)
	le := binary.LittleEndian
	le.PutUint32(m[12:], uint32(d.Key))
	m[16] = byte(d.Outcome)
	le.PutUint16(m[18:], d.Errno)
	le.PutUint16(m[20:], d.Waiters)
	le.PutUint32(m[24:], d.Micros)
	return b
}

// Parse decodes b into d.
func (d *Done) Parse(b []byte) error {
	if err := check(b, KindDone, doneSize); err != nil {
		return err
	}
	le := binary.LittleEndian
	*d = Done{
		Key:     int32(le.Uint32(b[12:])),
		Outcome: Outcome(b[16]),
		Errno:   le.Uint16(b[18:]),
		Waiters: le.Uint16(b[20:]),
		Micros:  le.Uint32(b[24:]),
	}
	switch {
	case len(b) != doneSize || b[17] != 0 || le.Uint16(b[22:]) != 0 || le.Uint32(b[28:]) != 0:
		return Error("done: not of its fixed form")
	case d.Outcome < DoneInstantiated || d.Outcome > DoneFailed:
		return Error("done: unknown outcome")
	}
	return nil
}
