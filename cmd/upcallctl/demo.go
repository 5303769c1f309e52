package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/upcalld/upcalld/api"
	"github.com/upcalld/upcalld/lab"
)

// demoName is what both ports' servers call themselves.
const demoName = "foo.bar"

// demoPorts are the machine's two network ports, each with a name server of its
// own; the second has no IPv4 at all.
var demoPorts = []struct {
	name   string
	family lab.Family
	record string
	want   string
}{
	{"port1", lab.IPv4, demoName + ". 300 IN A 192.0.2.1", "192.0.2.1"},
	{"port2", lab.IPv6, demoName + ". 300 IN AAAA 2001:db8::2", "2001:db8::2"},
}

// demoRow is one line of the table.
type demoRow struct {
	Context string `json:"context"`
	Key     string `json:"key"`
	Address string `json:"address"`
	From    string `json:"from"` // miss or hit
	Micros  int64  `json:"micros"`
}

// demo shows the main job on the running kernel: two containers, one name, two
// answers. Everything it makes is undone.
func demo(i *invocation) (err error) {
	bin := filepath.Dir(defaultStub())
	i.flags.StringVar(&bin, "bin", bin, "")
	if _, err := i.parse(0, 0); err != nil {
		return err
	}
	if bin, err = absolute(bin); err != nil {
		return err
	}
	if err := lab.Possible(); err != nil {
		return err
	}
	lock, err := lab.TryLock()
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if err := lab.Sweep(); err != nil { // of a demo that was killed
		return err
	}
	l, err := lab.New()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	d := &demonstration{invocation: i, lab: l}
	if err := d.build(lab.Bin(bin)); err != nil {
		return err
	}
	return d.show()
}

// demonstration is the built laboratory.
type demonstration struct {
	*invocation
	lab        *lab.Lab
	broker     *lab.Broker
	requesters []*lab.Requester
}

// build makes the ports with their servers, starts upcalld, registers both
// containers, and points the kernel at the stub.
func (d *demonstration) build(bin lab.Bin) error {
	if err := d.lab.SaveHook(); err != nil {
		return err
	}
	var err error
	if d.broker, err = d.lab.StartBroker(bin, ""); err != nil {
		return err
	}
	for _, p := range demoPorts {
		port, err := d.lab.Port(p.name, p.family)
		if err != nil {
			return err
		}
		if _, err := port.NameServer(lab.Zone(p.record)); err != nil {
			return err
		}
		if err := d.broker.Register(d.ctx, port); err != nil {
			return err
		}
		r, err := port.Requester(lab.RequesterOptions{})
		if err != nil {
			return err
		}
		d.requesters = append(d.requesters, r)
	}
	_, err = d.broker.Ctl(d.ctx, "hook", "enable", "--takeover", "--stub", bin.Path("request-key"))
	return err
}

// show lets both containers make the real request_key(2) call, twice each, and
// prints what they got.
func (d *demonstration) show() error {
	var rows []demoRow
	wrong := 0
	for range 2 {
		for n, p := range demoPorts {
			row, err := d.ask(n)
			if err != nil {
				return err
			}
			if row.Address != p.want {
				wrong++
			}
			rows = append(rows, row)
		}
	}
	host := hostSays(d.ctx)
	if d.json {
		if err := d.printJSON(map[string]any{"name": demoName, "rows": rows, "host": host}); err != nil {
			return err
		}
	} else if err := d.print(rows, host); err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d answers are wrong; upcalld's log:\n%s", wrong, len(rows), d.broker.Log())
	}
	return nil
}

func (d *demonstration) print(rows []demoRow, host string) error {
	fmt.Fprintf(d.out, "two containers ask the kernel for %s, request_key(\"dns_resolver\", %q):\n\n", demoName, demoName)
	w := tabwriter.NewWriter(d.out, 2, 0, 3, ' ', 0)
	fmt.Fprintln(w, "  CONTEXT\tKERNEL KEY\tADDRESS\tCACHE\tMICROSECONDS")
	for _, r := range rows {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%d\n", r.Context, r.Key, r.Address, r.From, r.Micros)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(d.out, "\nthe host's own resolver says: %s\n", host)
	return err
}

// ask lets container n ask, with the kernel's earlier answer forgotten.
func (d *demonstration) ask(n int) (demoRow, error) {
	before, err := d.hits()
	if err != nil {
		return demoRow{}, err
	}
	r := d.requesters[n]
	if err := r.Clear(d.ctx); err != nil {
		return demoRow{}, err
	}
	a, err := r.Ask(d.ctx, lab.DNS(demoName))
	if err != nil {
		return demoRow{}, err
	}
	after, err := d.hits()
	if err != nil {
		return demoRow{}, err
	}
	row := demoRow{Context: demoPorts[n].name, Key: fmt.Sprintf("%08x", a.Serial), Address: a.Text(), From: "miss", Micros: a.Micros}
	if after > before {
		row.From = "hit"
	}
	if a.Errno != 0 {
		row.Address = a.Errno.Error()
	}
	return row, nil
}

func (d *demonstration) hits() (uint64, error) {
	text, err := d.broker.Ctl(d.ctx, "status", "--json")
	if err != nil {
		return 0, err
	}
	var s api.StatusOut
	err = json.Unmarshal([]byte(text), &s)
	return s.Counters["hits"], err
}

// hostSays asks the host's resolver, as an upcall would be answered without
// upcalld.
func hostSays(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupHost(ctx, demoName)
	if err != nil {
		return err.Error()
	}
	return strings.Join(addrs, ", ")
}
