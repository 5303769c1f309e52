package api

import (
	"fmt"
	"log/slog"

	"github.com/upcalld/upcalld/broker"
	"github.com/upcalld/upcalld/varlink"
)

// NewServer returns the server of b's interface. Only root may call it.
func NewServer(b *broker.Broker, version string, log *slog.Logger) (*varlink.Server, error) {
	s := &varlink.Server{
		Vendor: "upcalld", Product: "upcalld", Version: version, URL: "https://github.com/upcalld/upcalld",
		Authorize: onlyRoot, Log: log,
	}
	m := &methods{broker: b, version: version, log: log, captures: make(chan struct{}, maxCaptures)}
	if err := s.Register(description, m.table()); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	return s, nil
}

func onlyRoot(p varlink.Peer, method string) error {
	if p.UID == 0 {
		return nil
	}
	return fail("NotPermitted", fmt.Sprintf("uid %d may not call %s: only root may", p.UID, method))
}
