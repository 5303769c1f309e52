# upcalld. README.md says what the targets are for.
export CGO_ENABLED = 0
PREFIX  ?= /usr
DESTDIR ?=
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo devel)
GOFLAGS_BUILD = -trimpath -ldflags "-s -w -X main.version=$(VERSION)"
STATICCHECK = v0.8.2
FUZZTIME ?= 200000x
FUZZTIME_SLOW ?= 5000x
PROGRAMS = upcalld upcallctl request-key upcalld-enter
HELPERS  = dns-resolve

.PHONY: all demo test unit race lint kernel uml fuzz soak install clean

all:
	@mkdir -p bin
	go build $(GOFLAGS_BUILD) -o bin/ $(PROGRAMS:%=./cmd/%) $(HELPERS:%=./cmd/helpers/%)
	@# Nobody but root may read a helper: so it is never dumpable, from its first moment.
	@chmod 0711 $(HELPERS:%=bin/%)

demo: all
	bin/upcallctl demo --bin bin

# Everything, as root: the source's form, the packages with the race detector,
# the lanes on the running kernel, the lanes in User-mode Linux.
test: lint unit kernel uml

lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "gofmt would change these"; exit 1; }
	go vet ./...
	GOARCH=arm64 go vet ./...
	go vet -tags upcalldtest ./cmd/request-key
	go run honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK) ./...

unit:
	CGO_ENABLED=1 go test -race $$(go list ./... | grep -v -e /test/kernel -e /test/uml)

kernel:
	go test -count=1 -timeout 20m ./test/kernel

uml:
	go test -count=1 -timeout 30m ./test/uml

# Each fuzz target for a number of executions; their seeds run with every "make
# unit". A number, not a time: where the time ends while a worker is busy, go test
# reports "context deadline exceeded" as a failure that is none. The slow targets
# write a file, or reason for a while, in each execution.
fuzz:
	@for d in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
	  for f in $$(grep -h -o '^func Fuzz[A-Za-z0-9]*' $$d/*_test.go | cut -c6-); do \
	    case $$f in FuzzScan|FuzzLoad|FuzzOrder) n=$(FUZZTIME_SLOW);; *) n=$(FUZZTIME);; esac; \
	    echo "$$d $$f $$n"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $$n -fuzzminimizetime 100x $$d || exit 1; done; done

# The long versions: rounds raised, fuzzing for longer.
soak:
	UPCALLD_ROUNDS=20000 go test -count=1 -timeout 6h ./test/kernel
	$(MAKE) fuzz FUZZTIME=20000000x FUZZTIME_SLOW=500000x

clean:
	rm -rf bin

# Paths in units/ are those of PREFIX=/usr.
install: all
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/sbin bin/upcalld
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/bin bin/upcallctl
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/libexec/upcalld bin/request-key bin/upcalld-enter
	install -D -m 0711 -t $(DESTDIR)$(PREFIX)/libexec/upcalld $(HELPERS:%=bin/%)
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/lib/systemd/system units/upcalld.socket units/upcalld.service units/dns-resolve@.socket units/dns-resolve@.service
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man1 docs/upcallctl.1
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man5 docs/upcalld.toml.5
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man8 docs/upcalld.8 docs/upcalld-request-key.8
	install -D -m 0644 units/sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/upcalld.conf
	install -D -m 0644 units/tmpfiles.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/upcalld.conf
