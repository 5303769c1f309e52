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
