package main

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/auditferry/auditferry/dev/pictures"
	"github.com/auditferry/auditferry/dev/tools"
)

// screenshots writes a picture of every page of the portal into a folder that
// git ignores.
func screenshots(ctx context.Context) error {
	root, err := tools.Root()
	if err != nil {
		return err
	}
	return pictures.Take(ctx, os.Stdout, io.Discard, filepath.Join(root, ".dev", "screenshots"))
}
