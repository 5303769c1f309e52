package varlink

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"testing"
)

// FuzzServer sends any bytes. The server must answer at most once per message,
// only with whole JSON objects, and end the connection after the last.
func FuzzServer(f *testing.F) {
	for _, seed := range []string{
		"{\"method\":\"io.test.Echo\",\"parameters\":{\"text\":\"a\"}}\x00",
		"{\"method\":\"io.test.Who\",\"oneway\":true}\x00{\"method\":\"io.test.Panic\"}\x00",
		"{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":null}\x00{",
		"{\"method\":\"io.test.Count\",\"more\":true,\"parameters\":{\"to\":1}}\x00",
		"[[[[[\x00\x00", "{\"method\":\"io.test.Echo\",\"parameters\":{\"sub\":{\"n\":1e999}}}\x00",
	} {
		f.Add([]byte(seed))
	}
	s := newTestServer(f, nil)
	s.brief = true
	f.Fuzz(func(t *testing.T, in []byte) {
		c := raw(t, s)
		defer c.Close()
		go func() { _, _ = c.Write(in); _ = c.CloseWrite() }()
		out, err := io.ReadAll(c)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the connection neither ends nor answers")
		}
		if len(out) > 0 && out[len(out)-1] != 0 {
			t.Fatalf("half a reply: %q", out)
		}
		finals := 0
		for _, m := range bytes.Split(bytes.TrimSuffix(out, []byte{0}), []byte{0}) {
			var reply replyMessage
			if len(out) > 0 && json.Unmarshal(m, &reply) != nil {
				t.Fatalf("reply is not JSON: %q", m)
			}
			if len(out) > 0 && !reply.Continues {
				finals++
			}
		}
		if asked := bytes.Count(in, []byte{0}); finals > asked {
			t.Fatalf("%d final replies to %d messages", finals, asked)
		}
	})
}

// FuzzDecode: what the strict decoder takes holds no member that it does not
// know, and encoding it again gives something it takes too.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"text":"a","sub":{"n":1},"labels":{"a":"b"}}`))
	f.Add([]byte(`{"text":"a","Text":"b"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var got echoIn
		if checkJSON(in) != nil || decodeParameters(in, &got) != nil {
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(in, &members); err != nil {
			t.Fatalf("took what is no object: %v", err)
		}
		for name := range members {
			if name != "text" && name != "sub" && name != "labels" {
				t.Fatalf("took %q", name)
			}
		}
		again, err := json.Marshal(got)
		if err == nil {
			err = decodeParameters(again, &echoIn{})
		}
		if err != nil {
			t.Fatal(err)
		}
	})
}
