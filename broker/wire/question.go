package wire

import "encoding/binary"

// Ask is what a helper is asked to do.
type Ask uint8

// The two questions.
const (
	// AskAnswer: answer the question.
	AskAnswer Ask = 1 + iota
	// AskConfig: only read the configuration and return its hash.
	AskConfig
)

const (
	questionFixed = 40
	maxEtc        = 255
)

// Question is what the broker asks a helper. The packet carries one file
// descriptor: an O_PATH handle on the root directory whose files configure
// the answer.
type Question struct {
	ID         uint64 // @12 chosen by the broker, echoed in the reply
	MillisLeft uint32 // @20 the helper answers before it has passed
	Ask        Ask    // @24; @25..27 zero
	// @28 u32 length of Etc, @32 u32 of Subject, @36 u32 of Options.
	Etc     []byte // directory below the root that is read before etc ("etc/netns/blue"); may be empty
	Subject []byte // what is asked, as in the key's description
	Options []byte // how it is asked, as in the key's callout
}

// AppendTo appends the encoded message to b.
func (q *Question) AppendTo(b []byte) []byte {
	b, m := grow(b, KindQuestion, questionFixed, len(q.Etc)+len(q.Subject)+len(q.Options))
	le := binary.LittleEndian
	le.PutUint64(m[12:], q.ID)
	le.PutUint32(m[20:], q.MillisLeft)
	m[24] = byte(q.Ask)
	le.PutUint32(m[28:], uint32(len(q.Etc)))
	le.PutUint32(m[32:], uint32(len(q.Subject)))
	le.PutUint32(m[36:], uint32(len(q.Options)))
	b = append(b, q.Etc...)
	b = append(b, q.Subject...)
	return append(b, q.Options...)
}

// Parse decodes b into q, whose texts then alias b.
func (q *Question) Parse(b []byte) error {
	if err := check(b, KindQuestion, questionFixed); err != nil {
		return err
	}
	le := binary.LittleEndian
	*q = Question{ID: le.Uint64(b[12:]), MillisLeft: le.Uint32(b[20:]), Ask: Ask(b[24])}
	etc, subj, opts := le.Uint32(b[28:]), le.Uint32(b[32:]), le.Uint32(b[36:])
	switch {
	case b[25] != 0 || b[26] != 0 || b[27] != 0:
		return Error("question: reserved field is not zero")
	case q.Ask != AskAnswer && q.Ask != AskConfig:
		return Error("question: unknown ask")
	case etc > maxEtc || subj > MaxText || opts > MaxCallout:
		return Error("question: a text is too long")
	}
	var err error
	rest := b[questionFixed:]
	if q.Etc, rest, err = cut(rest, etc); err != nil {
		return err
	}
	if q.Subject, rest, err = cut(rest, subj); err != nil {
		return err
	}
	if q.Options, rest, err = cut(rest, opts); err != nil {
		return err
	}
	if len(rest) != 0 {
		return Error("question: bytes after the end")
	}
	return nil
}
