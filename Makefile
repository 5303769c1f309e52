# upcalld. README.md says what the targets are for.
export CGO_ENABLED = 0
PREFIX  ?= /usr
DESTDIR ?=
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo devel)
GOFLAGS_BUILD = -trimpath -ldflags "-s -w -X main.version=$(VERSION)"
PROGRAMS = upcalld upcallctl request-key upcalld-enter
HELPERS  = dns-resolve

.PHONY: all demo test unit race lint kernel uml fuzz soak install clean

all:
	@mkdir -p bin
	go build $(GOFLAGS_BUILD) -o bin/ $(PROGRAMS:%=./cmd/%) $(HELPERS:%=./cmd/helpers/%)

demo: all
	bin/upcallctl demo --bin bin

clean:
	rm -rf bin

# Paths in units/ are those of PREFIX=/usr.
install: all
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/sbin bin/upcalld
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/bin bin/upcallctl
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/libexec/upcalld bin/request-key bin/upcalld-enter $(HELPERS:%=bin/%)
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/lib/systemd/system units/upcalld.socket units/upcalld.service units/dns-resolve@.socket units/dns-resolve@.service
	install -D -m 0644 units/sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/upcalld.conf
	install -D -m 0644 units/tmpfiles.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/upcalld.conf
