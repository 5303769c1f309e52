package rootfile

import (
	"bytes"
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

// MaxLine is the longest line Scan delivers, in bytes without the newline. A
// longer one is skipped whole: no prefix of it is ever delivered.
const MaxLine = 64 << 10

// File is one file's whole content. Sig was taken before the first byte was
// read: a file that changes meanwhile has another signature afterwards.
type File struct {
	Data []byte
	Sig  Signature
}

// Read returns the regular file at path below root, if it holds no more than
// limit bytes. It never reads more than limit+1, also from a file that grows or
// lies about its size. Errors: every sentinel but ErrStuck.
func Read(root int, path string, limit int64) (File, error) {
	return readFile(context.Background(), root, path, limit)
}

// Scan reads the same file line by line, in constant memory. line gets each
// line without its newline, in a buffer that is used again after it returns,
// and returns false to stop. A file larger than limit bytes gives ErrTooLarge:
// at once if its size says so, else after limit bytes' lines. See MaxLine.
func Scan(root int, path string, limit int64, line func([]byte) bool) (Signature, error) {
	return scanFile(context.Background(), root, path, limit, line)
}

func readFile(ctx context.Context, root int, path string, limit int64) (File, error) {
	fd, sig, err := openWithin(root, path, limit)
	if err != nil {
		return File{}, err
	}
	defer unix.Close(fd)
	src := source{ctx: ctx, fd: fd, left: limit}
	data := make([]byte, 0, sig.Size+1) // the size is within the limit
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := src.read(data[len(data):cap(data)])
		if err != nil {
			return File{}, pathError("read", path, err)
		}
		if n == 0 {
			return File{Data: data, Sig: sig}, nil
		}
		data = data[:len(data)+n]
	}
}

func scanFile(ctx context.Context, root int, path string, limit int64, line func([]byte) bool) (Signature, error) {
	fd, sig, err := openWithin(root, path, limit)
	if err != nil {
		return Signature{}, err
	}
	defer unix.Close(fd)
	src := source{ctx: ctx, fd: fd, left: limit}
	if err := src.lines(line); err != nil {
		return Signature{}, pathError("read", path, err)
	}
	return sig, nil
}

// openWithin refuses a file whose size is over the limit before it is read.
func openWithin(root int, path string, limit int64) (int, Signature, error) {
	fd, sig, err := open(root, path)
	if err != nil {
		return -1, Signature{}, err
	}
	if sig.Size < 0 || sig.Size > limit {
		unix.Close(fd)
		err := fmt.Errorf("%w: %d bytes, allowed are %d", ErrTooLarge, sig.Size, limit)
		return -1, Signature{}, pathError("check", path, err)
	}
	return fd, sig, nil
}

// source reads a handle until its end, the limit or the end of ctx.
type source struct {
	ctx  context.Context
	fd   int
	left int64 // bytes that may still come
}

// read fills p as far as one system call does; 0 is the end of the file.
func (s *source) read(p []byte) (n int, err error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err // a file system that trickles must not be followed for ever
	}
	if int64(len(p)) > s.left+1 {
		p = p[:s.left+1]
	}
	err = ignoreEINTR(func() error { n, err = unix.Read(s.fd, p); return err })
	if err != nil {
		return 0, err
	}
	if s.left -= int64(n); s.left < 0 {
		return 0, fmt.Errorf("%w: it grew over the limit", ErrTooLarge)
	}
	return n, nil
}

// lines delivers the lines of s. buf[:held] is the begun line; skip says that
// the begun line is too long already.
func (s *source) lines(line func([]byte) bool) error {
	buf, held, skip := make([]byte, MaxLine+1), 0, false
	for {
		n, err := s.read(buf[held:])
		if err != nil {
			return err
		}
		if n == 0 {
			if held > 0 && !skip {
				line(buf[:held])
			}
			return nil
		}
		rest := buf[:held+n]
		for {
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				break
			}
			if !skip && !line(rest[:i]) {
				return nil
			}
			rest, skip = rest[i+1:], false
		}
		held = copy(buf, rest)
		if skip || held == len(buf) {
			held, skip = 0, true
		}
	}
}
