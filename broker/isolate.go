package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/upcalld/upcalld/keyring"
)

// sharedRings are the kernel's caches in which one container finds what was
// answered for another: a look-up in them ignores namespaces.
var sharedRings = []string{".dns_resolver", ".id_resolver"}

// settleTime bounds the wait for upcalls that began before isolation: longer
// than a stub's deadline.
const settleTime = 12 * time.Second

// isolator switches a host, once per boot, to keeping answers apart: from the
// first registration on, stubs take each key out of the shared rings.
type isolator struct {
	mark string // path; stubs look for it (cmd/request-key, isolatePath)
	log  *slog.Logger

	mu   sync.Mutex // guards done; held through the whole switch
	done bool
}

// begin leaves the mark, waits for upcalls that started without seeing it, and
// clears the rings of what those and earlier ones left. Later calls do nothing.
func (i *isolator) begin(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.done {
		return nil
	}
	f, err := os.OpenFile(i.mark, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("leave the mark that containers are registered: %w", err)
	}
	f.Close()
	if err := i.settle(ctx); err != nil {
		return err
	}
	if err := i.clear(); err != nil {
		return err
	}
	i.done = true
	return nil
}

// settle waits until every upcall that was in flight when it began has ended.
func (i *isolator) settle(ctx context.Context) error {
	early, err := authKeys()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(settleTime)
	for pause := 2 * time.Millisecond; len(early) > 0; pause = min(2*pause, 100*time.Millisecond) {
		if time.Now().After(deadline) {
			i.log.Warn("upcalls that began before the first registration are still in flight; clearing the kernel's caches all the same", "upcalls", len(early))
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		now, err := authKeys()
		if err != nil {
			return err
		}
		for serial := range early {
			if !now[serial] {
				delete(early, serial)
			}
		}
	}
	return nil
}

// authKeys returns the auth keys that exist. /proc/keys may hold forged lines,
// so the kernel is asked about each.
func authKeys() (map[keyring.Serial]bool, error) {
	keys, err := os.Open("/proc/keys")
	if err != nil {
		return nil, fmt.Errorf("upcalls in flight: %w", err)
	}
	defer keys.Close()
	found, err := keyring.FindAuthKeys(keys)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 4608)
	for serial := range found {
		if d, err := keyring.Describe(serial, buf); err != nil || d.Type != ".request_key_auth" {
			delete(found, serial)
		}
	}
	return found, nil
}

// clear empties the shared rings there are. A kernel without the types has none.
func (i *isolator) clear() error {
	var errs []error
	for _, name := range sharedRings {
		errs = append(errs, clearRing(name))
	}
	return errors.Join(errs...)
}

func clearRing(name string) error {
	keys, err := os.Open("/proc/keys")
	if err != nil {
		return fmt.Errorf("find keyring %s: %w", name, err)
	}
	defer keys.Close()
	rings, err := keyring.FindRings(keys, name)
	if err != nil {
		return err
	}
	buf := make([]byte, 4608)
	for _, serial := range rings {
		d, err := keyring.Describe(serial, buf)
		if err != nil || d.Type != "keyring" || d.UID != 0 || string(d.Text) != name {
			continue // a forged line
		}
		if err := keyring.Clear(serial); err != nil {
			return fmt.Errorf("clear keyring %s: %w", name, err)
		}
	}
	return nil
}
