package broker

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/upcalld/upcalld/nscontext"
)

// helperStarter starts helper processes.
type helperStarter struct {
	runtimeDir, libexecDir string
	policy                 Policy
	log                    *slog.Logger
	now                    func() time.Time
	starter                *nscontext.Starter
}

func newHelperStarter(o Options) *helperStarter {
	return &helperStarter{
		runtimeDir: o.RuntimeDir, libexecDir: o.LibexecDir, policy: o.Policy, log: o.Log, now: o.Now,
		starter: nscontext.NewStarter(filepath.Join(o.LibexecDir, "upcalld-enter")),
	}
}

// process is a running helper.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has been waited for
	once  sync.Once
}

func (p *process) kill() { p.once.Do(func() { _ = p.cmd.Process.Kill() }) }

// launch starts a helper with the listening socket as its descriptor 3, and the
// standard ones. What it prints becomes log lines.
func (s *helperStarter) launch(c *nscontext.Context, kind string, l *net.UnixListener) (*process, error) {
	file, err := os.Open(filepath.Join(s.libexecDir, kind))
	if err != nil {
		return nil, fmt.Errorf("helper %s: %w", kind, err)
	}
	defer file.Close()
	socket, err := l.File()
	if err != nil {
		return nil, fmt.Errorf("helper %s: %w", kind, err)
	}
	defer socket.Close()
	words, stderr, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("helper %s: %w", kind, err)
	}
	defer stderr.Close()
	cmd, err := s.starter.Start(c, nscontext.Program{
		Name: kind, File: file, Args: []string{"--idle", s.policy.HelperIdle.String()},
		Sockets: []*os.File{socket}, UID: s.policy.HelperUID, GID: s.policy.HelperGID, Stderr: stderr,
	})
	if err != nil {
		words.Close()
		return nil, err
	}
	log := s.log.With("helper", kind, "pid", cmd.Process.Pid, "netns", c.IDs()[nscontext.Net].Ino)
	log.Debug("helper started")
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go p.wait(log, words)
	return p, nil
}

func (p *process) wait(log *slog.Logger, words io.ReadCloser) {
	defer close(p.ended)
	logLines(log, words)
	words.Close()
	if err := p.cmd.Wait(); err != nil {
		log.Warn("helper ended", "err", err)
		return
	}
	log.Debug("helper ended")
}

// logLines logs what a helper prints, up to a number of lines. The pipe is closed
// then: a helper that goes on ends by SIGPIPE.
func logLines(log *slog.Logger, r io.Reader) {
	const most = 100
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 1024), 16<<10)
	for n := 0; n < most && lines.Scan(); n++ {
		log.Warn("helper says", "line", text(lines.Bytes()))
	}
}
