package wire

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"testing"
)

// message is what all five have in common.
type message interface {
	AppendTo([]byte) []byte
	Parse([]byte) error
}

func samples() map[string]message {
	return map[string]message{
		"request": &Request{MillisLeft: 9000, Key: 1, Auth: 2, Ring: 3, Thread: 4, UID: 5, GID: 1<<32 - 1, Op: OpCreate,
			Flags: FlagIsolated, Type: []byte("dns_resolver"), Description: []byte("foo.bar"), Callout: []byte("ipv4")},
		"request without texts": &Request{Key: 1, Auth: 2, Thread: 3, Op: OpCreate, Type: []byte("x"), Description: []byte{}, Callout: []byte{}},
		"payload":               &Verdict{Key: 7, Action: ActPayload, Flags: FlagShare, Lifetime: 60, Payload: []byte("192.0.2.1\x00")},
		"reject":                &Verdict{Key: 7, Action: ActReject, Errno: 511, Lifetime: 5, Payload: []byte{}},
		"stock":                 &Verdict{Key: 7, Action: ActStock, Payload: []byte{}},
		"done":                  &Done{Key: 7, Outcome: DoneRefused, Errno: 16, Waiters: 3, Micros: 700},
		"question":              &Question{ID: 1 << 60, MillisLeft: 10, Ask: AskAnswer, Etc: []byte("etc/netns/blue"), Subject: []byte("foo.bar"), Options: []byte("")},
		"reply":                 &Reply{ID: 1 << 60, NSDev: 4, NSIno: 5, TTL: 6, Config: Hash{1, 31: 2}, Payload: []byte("::1"), Note: []byte("odd")},
	}
}

func fresh(m message) message { return reflect.New(reflect.TypeOf(m).Elem()).Interface().(message) }

func TestRoundTrip(t *testing.T) {
	for name, m := range samples() {
		b := m.AppendTo([]byte("before"))
		if !bytes.HasPrefix(b, []byte("before")) {
			t.Errorf("%s: overwrote what was in the buffer", name)
		}
		got := fresh(m)
		if err := got.Parse(b[len("before"):]); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !reflect.DeepEqual(got, m) {
			t.Errorf("%s: %+v came back as %+v", name, m, got)
		}
	}
}

// Every message cut short or lengthened by a byte is refused.
func TestWrongLength(t *testing.T) {
	for name, m := range samples() {
		b := m.AppendTo(nil)
		for n := range b {
			if fresh(m).Parse(b[:n]) == nil {
				t.Errorf("%s: cut to %d of %d bytes was accepted", name, n, len(b))
			}
		}
		longer := append(bytes.Clone(b), 0)
		binary.LittleEndian.PutUint32(longer[8:], uint32(len(longer)))
		if fresh(m).Parse(longer) == nil {
			t.Errorf("%s: a byte after the end was accepted", name)
		}
	}
}

func TestRefuses(t *testing.T) {
	edit := func(m message, at int, v byte) []byte {
		b := m.AppendTo(nil)
		b[at] = v
		return b
	}
	s := samples()
	for name, c := range map[string]struct {
		m message
		b []byte
	}{
		"other magic":                {s["done"], edit(s["done"], 0, 'X')},
		"other version":              {s["done"], edit(s["done"], 4, 2)},
		"other kind":                 {s["done"], edit(s["done"], 6, byte(KindVerdict))},
		"request for key 0":          {s["request"], edit(s["request"], 16, 0)},
		"request: negative thread":   {s["request"], edit(s["request"], 31, 0x80)},
		"request: reserved":          {s["request"], edit(s["request"], 52, 1)},
		"request: unknown operation": {s["request"], edit(s["request"], 40, 2)},
		"request without a type":     {s["request"], (&Request{Key: 1, Auth: 1, Thread: 1, Op: OpCreate}).AppendTo(nil)},
		"verdict: unknown action":    {s["stock"], edit(s["stock"], 16, 9)},
		"reject with a restart code": {s["reject"], (&Verdict{Key: 1, Action: ActReject, Errno: 512}).AppendTo(nil)},
		"reject without errno":       {s["reject"], (&Verdict{Key: 1, Action: ActReject}).AppendTo(nil)},
		"payload without payload":    {s["payload"], (&Verdict{Key: 1, Action: ActPayload}).AppendTo(nil)},
		"stock with payload":         {s["stock"], (&Verdict{Key: 1, Action: ActStock, Payload: []byte("x")}).AppendTo(nil)},
		"reply: errno and payload":   {s["reply"], (&Reply{Errno: 5, Payload: []byte("x")}).AppendTo(nil)},
		"question: unknown ask":      {s["question"], edit(s["question"], 24, 3)},
	} {
		if err := fresh(c.m).Parse(c.b); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// The bytes are the protocol: programs without this package speak it.
func TestGoldenBytes(t *testing.T) {
	r := Request{MillisLeft: 1, Key: 2, Auth: 3, Ring: 4, Thread: 5, UID: 6, GID: 7, Op: OpCreate, Flags: 8,
		Type: []byte("t"), Description: []byte("de"), Callout: []byte("cal")}
	want := "UPCL\x01\x00\x01\x00\x3e\x00\x00\x00" +
		"\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\x00\x00\x00\x05\x00\x00\x00\x06\x00\x00\x00\x07\x00\x00\x00" +
		"\x01\x08\x01\x00\x02\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00" + "tdecal"
	if got := string(r.AppendTo(nil)); got != want {
		t.Errorf("request is\n%q, want\n%q", got, want)
	}
	v := Verdict{Key: 2, Action: ActReject, Flags: 1, Errno: 0x102, Lifetime: 3}
	want = "UPCL\x01\x00\x02\x00\x20\x00\x00\x00" + "\x02\x00\x00\x00\x02\x01\x02\x01\x03\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00"
	if got := string(v.AppendTo(nil)); got != want {
		t.Errorf("verdict is\n%q, want\n%q", got, want)
	}
}

func TestEncodingDoesNotAllocate(t *testing.T) {
	s := samples()
	buf := make([]byte, 0, MaxMessage)
	for name, m := range s {
		if n := testing.AllocsPerRun(100, func() { m.AppendTo(buf) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// FuzzParse: whatever is accepted encodes to the same bytes again, so that no
// two readings of a message exist.
func FuzzParse(f *testing.F) {
	for _, m := range samples() {
		f.Add(m.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, m := range []message{&Request{}, &Verdict{}, &Done{}, &Question{}, &Reply{}} {
			if m.Parse(b) != nil {
				continue
			}
			if again := m.AppendTo(nil); !bytes.Equal(again, b) {
				t.Errorf("%T: %q was read as %+v, which is %q", m, b, m, again)
			}
		}
	})
}
