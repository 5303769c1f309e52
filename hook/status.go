package hook

import (
	"errors"
	"strings"
)

// Mode is how the kernel's DNS upcalls go now.
type Mode string

// The modes.
const (
	ModeNone     Mode = "none"     // there is no /sbin/request-key, and no drop-in of ours
	ModeStock    Mode = "stock"    // another program stands there, and no drop-in of ours
	ModeTakeover Mode = "takeover" // our stub stands there
	ModeDropIn   Mode = "drop-in"  // another program, which reads our drop-in
	ModeBoth     Mode = "both"     // our stub and our drop-in: an interrupted run
	ModeForeign  Mode = "foreign"  // it was ours, but another program has been put there since
)

// Status is what stands where. Pending means that the copy at
// /sbin/request-key is not the stub asked about: enabling again updates it.
type Status struct {
	Mode         Mode         `json:"mode"`
	RequestKey   string       `json:"request_key"` // absent, stub, file or link
	Stock        bool         `json:"stock"`       // /sbin/request-key.stock exists and is not ours
	Pending      bool         `json:"upgrade_pending"`
	DropIn       string       `json:"drop_in,omitempty"`     // its line
	ShadowedBy   string       `json:"shadowed_by,omitempty"` // file:line that request-key prefers to it
	StaticHelper StaticHelper `json:"static_usermodehelper"`
}

// Status reads everything and changes nothing, so it takes no lock. stub may
// be "", and then nothing is said about an upgrade.
func (h Host) Status(stub string) (Status, error) {
	var s Status
	now, err := h.statusTakeover(&s)
	if err != nil {
		return s, err
	}
	if err := h.statusDropIn(&s); err != nil {
		return s, err
	}
	s.Mode = s.mode(now)
	if s.Pending, err = h.pending(now, stub); err != nil {
		return s, err
	}
	s.StaticHelper, err = h.staticHelper()
	return s, err
}

func (s *Status) mode(now entry) Mode {
	switch {
	case now.kind == ours && s.DropIn != "":
		return ModeBoth
	case now.kind == ours:
		return ModeTakeover
	case s.DropIn != "":
		return ModeDropIn
	case now.kind == absent:
		return ModeNone
	case s.Stock:
		return ModeForeign
	}
	return ModeStock
}

func (h *Host) statusTakeover(s *Status) (entry, error) {
	s.RequestKey = "absent"
	p, err := h.takeover()
	if errors.Is(err, ErrNoDirectory) {
		return entry{}, nil
	}
	if err != nil {
		return entry{}, err
	}
	defer p.dir.Close()
	now, err := p.look(p.name)
	if err != nil {
		return now, err
	}
	saved, err := p.look(p.saved)
	s.Stock = saved.kind == other
	switch {
	case now.kind == ours:
		s.RequestKey = "stub"
	case now.link:
		s.RequestKey = "link"
	case now.kind == other:
		s.RequestKey = "file"
	}
	return now, err
}

func (h *Host) statusDropIn(s *Status) error {
	mine, err := h.holdsHeader(dropInPath)
	if err != nil || !mine {
		return err
	}
	rules, err := h.rules()
	if err != nil {
		return err
	}
	for _, r := range rules {
		if strings.HasPrefix(r.at, dropInPath+":") {
			s.DropIn = strings.Join([]string{r.op, r.typ, r.desc, r.callout, r.command}, " ")
		}
	}
	if r, ok := best(rules); ok && !strings.HasPrefix(r.at, dropInPath+":") {
		s.ShadowedBy = r.at
	}
	return nil
}

// pending compares our copy with the stub file, whoever may write that.
func (h *Host) pending(now entry, stub string) (bool, error) {
	if now.kind != ours || stub == "" {
		return false, nil
	}
	if now.link {
		return true, nil
	}
	f, err := h.openRegular(stub)
	if f == nil {
		return false, err
	}
	defer f.Close()
	same, err := h.sameStub("/sbin/request-key", f)
	return !same, err
}
