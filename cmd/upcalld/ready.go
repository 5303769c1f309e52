package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/upcalld/upcalld/broker"
)

// stopTime is what API calls have left when the daemon stops.
const stopTime = 2 * time.Second

func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("cannot tell systemd", "state", state, "err", err)
	}
}

func ready(log *slog.Logger)    { notify(log, daemon.SdNotifyReady) }
func stopping(log *slog.Logger) { notify(log, daemon.SdNotifyStopping) }

// watchdog tells systemd that the broker lives, as often as it wants to hear
// it: that its registry can be read, not merely that a timer runs.
func watchdog(ctx context.Context, b *broker.Broker, log *slog.Logger) error {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("watchdog is off", "err", err)
	}
	if every <= 0 {
		return nil
	}
	tick := time.NewTicker(every / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			b.List()
			notify(log, daemon.SdNotifyWatchdog)
		}
	}
}
