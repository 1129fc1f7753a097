package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/auditferry/auditferry/internal/manifest"
)

// local is a folder on a disk. Nothing outside of it is read, also if a link in
// it or a manifest says so.
type local struct{ root *os.Root }

func openLocal(path string) (source, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open the folder: %w", err)
	}
	return local{root}, nil
}

// List implements manifest.Source.
func (l local) List(ctx context.Context, yield func(manifest.Entry) error) error {
	return fs.WalkDir(l.root.FS(), ".", func(key string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if entry.IsDir() {
			return nil
		}
		info, err := l.root.Stat(key) // follows links
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no file; copy what it stands for, or remove it", key)
		}
		return yield(manifest.Entry{Key: key, Size: info.Size()})
	})
}

// Open implements manifest.Source.
func (l local) Open(_ context.Context, key string) (io.ReadCloser, error) { return l.root.Open(key) }

// Close implements source.
func (l local) Close() error { return l.root.Close() }
