//go:build cgo

package sandbox

// withCgo: this test binary (that of -race, for one) cannot call Lock.
const withCgo = true
