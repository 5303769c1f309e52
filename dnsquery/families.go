package dnsquery

import (
	"context"
	"time"

	"github.com/miekg/dns"
)

// straggler is how long the second family may still take once the first has
// addresses: some middleboxes drop AAAA questions and answer A.
const straggler = 2 * time.Second

// families asks for the record sets of one absolute name and joins them.
func (l *lookup) families(ctx context.Context, name string, want Family) (*Answer, *Failure) {
	switch want & Both {
	case IPv4:
		return join(l.chain(ctx, name, dns.TypeA), set{})
	case IPv6:
		return join(l.chain(ctx, name, dns.TypeAAAA), set{})
	}
	if l.single {
		a := l.chain(ctx, name, dns.TypeA)
		return join(a, l.second(ctx, name, a))
	}
	return l.beside(ctx, name)
}

// second asks AAAA after A.
func (l *lookup) second(ctx context.Context, name string, first set) set {
	if first.fail == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, straggler)
		defer cancel()
	}
	return l.chain(ctx, name, dns.TypeAAAA)
}

// beside asks A and AAAA at the same time.
func (l *lookup) beside(ctx context.Context, name string) (*Answer, *Failure) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v4, v6 := make(chan set, 1), make(chan set, 1)
	go func() { v4 <- l.chain(ctx, name, dns.TypeA) }()
	go func() { v6 <- l.chain(ctx, name, dns.TypeAAAA) }()
	var a, b set
	select {
	case a = <-v4:
		hurry(a, cancel)
		b = <-v6
	case b = <-v6:
		hurry(b, cancel)
		a = <-v4
	}
	return join(a, b)
}

// hurry ends the other family's question some time after this one succeeded.
func hurry(first set, cancel context.CancelFunc) {
	if first.fail == nil {
		time.AfterFunc(straggler, cancel)
	}
}

// join makes one answer of two sets; the zero set says nothing.
func join(a, b set) (*Answer, *Failure) {
	fail := worse(a.fail, b.fail)
	if len(a.addrs)+len(b.addrs) == 0 {
		return nil, fail
	}
	ans := &Answer{TTL: MaxTTL}
	for _, s := range []set{a, b} {
		if len(s.addrs) > 0 {
			ans.Addrs = append(ans.Addrs, s.addrs...)
			ans.TTL = min(ans.TTL, s.ttl)
		}
	}
	if fail != nil && !fail.negative() {
		ans.TTL = min(ans.TTL, fail.TTL)
		ans.Missing = fail
	}
	return ans, nil
}
