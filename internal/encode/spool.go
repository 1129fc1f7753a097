package encode

import (
	"bytes"
	"crypto/md5" //nolint:gosec // object stores compare MD5
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"
)

// Spool keeps the bytes of one object until they are sent: in memory up to a
// limit, above it in a temporary file. It hashes and counts what it is given.
// It is not safe for concurrent use, but its Readers may be used concurrently
// once nothing more is written.
type Spool struct {
	dir    string
	limit  int
	memory []byte
	file   *os.File // nil while everything fits into memory
	size   int64
	md5    hash.Hash
	sha256 hash.Hash
	closed bool
}

// NewSpool returns an empty spool. Up to limit bytes stay in memory; the
// temporary file is made in dir, or in the system's place for such files if
// dir is "".
func NewSpool(dir string, limit int) *Spool {
	return &Spool{dir: dir, limit: limit, md5: md5.New(), sha256: sha256.New()} //nolint:gosec // see the import
}

var errSpoolClosed = errors.New("spool: closed")

// Write keeps p. After an error, which is the file system's, the spool is of no
// use any more and must be closed.
func (s *Spool) Write(p []byte) (int, error) {
	if s.closed {
		return 0, errSpoolClosed
	}
	if err := s.keep(p); err != nil {
		return 0, err
	}
	s.size += int64(len(p))
	s.md5.Write(p)
	s.sha256.Write(p)
	return len(p), nil
}

func (s *Spool) keep(p []byte) error {
	if s.file == nil && len(s.memory)+len(p) <= s.limit {
		if len(s.memory)+len(p) > cap(s.memory) {
			// Doubling copies less than append would, which grows by a quarter.
			s.memory = slices.Grow(s.memory, min(max(cap(s.memory), len(p)), s.limit-len(s.memory)))
		}
		s.memory = append(s.memory, p...)
		return nil
	}
	if s.file == nil {
		if err := s.spill(); err != nil {
			return err
		}
	}
	if _, err := s.file.Write(p); err != nil {
		return fmt.Errorf("spool: write to the temporary file: %w", err)
	}
	return nil
}

// spill moves what is in memory to a file. The file's name is removed at once:
// the system frees it when the process ends, however it ends.
func (s *Spool) spill() error {
	file, err := os.CreateTemp(s.dir, "auditferry-part-*")
	if err != nil {
		return fmt.Errorf("spool: create a temporary file: %w", err)
	}
	s.file = file
	if err := os.Remove(file.Name()); err != nil {
		return fmt.Errorf("spool: unlink the temporary file: %w", err)
	}
	if _, err := file.Write(s.memory); err != nil {
		return fmt.Errorf("spool: write to the temporary file: %w", err)
	}
	s.memory = nil
	return nil
}

// Size is the number of bytes written so far.
func (s *Spool) Size() int64 { return s.size }

// Sums are hashes of an object's bytes.
type Sums struct {
	MD5    [16]byte
	SHA256 [32]byte
}

// Sums are the hashes of the bytes written so far.
func (s *Spool) Sums() Sums {
	var sums Sums
	s.md5.Sum(sums.MD5[:0])
	s.sha256.Sum(sums.SHA256[:0])
	return sums
}

// Reader reads the bytes written so far, from their beginning. Readers do not
// disturb each other; they fail, or read from memory, once the spool is closed.
func (s *Spool) Reader() (io.ReadSeeker, error) {
	if s.closed {
		return nil, errSpoolClosed
	}
	if s.file != nil {
		return io.NewSectionReader(s.file, 0, s.size), nil
	}
	return bytes.NewReader(s.memory), nil
}

// Close frees memory and file. It may be called twice.
func (s *Spool) Close() error {
	s.closed = true
	s.memory = nil
	if s.file == nil {
		return nil
	}
	file := s.file
	s.file = nil
	if err := file.Close(); err != nil {
		return fmt.Errorf("spool: close the temporary file: %w", err)
	}
	return nil
}
