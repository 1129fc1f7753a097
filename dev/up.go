package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/dev/tools"
)

// stateDir is where the stack of make dev keeps its data.
func stateDir() (string, error) {
	root, err := tools.Root()
	return filepath.Join(root, ".dev", "stack"), err
}

// up runs everything until ctx ends or a server does.
func up(ctx context.Context) (err error) {
	dir, err := stateDir()
	if err != nil {
		return err
	}
	began := time.Now()
	s, err := stack.Start(ctx, stack.Options{Dir: dir, FixedPorts: true, Log: os.Stdout})
	if err != nil {
		return err
	}
	defer func() {
		fmt.Println("\nStopping everything ...")
		err = errors.Join(err, s.Stop())
	}()
	seeded, err := seed(ctx, s, filepath.Join(dir, "seed.json"))
	if err != nil {
		return fmt.Errorf("make the first organizations: %w", err)
	}
	if err := welcome(os.Stdout, s, seeded, time.Since(began)); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.Failed():
		return err
	}
}

// welcome tells where everything is.
func welcome(w io.Writer, s *stack.Stack, seeded seeded, took time.Duration) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(cells ...any) { _, _ = fmt.Fprintf(t, "  %s\t%s\t%s\n", cells...) } // Flush reports
	_, _ = fmt.Fprintf(t, "\nEverything runs, after %s. Ctrl-C ends it.\n\n", took.Round(100*time.Millisecond))
	row("Portal", s.API.URL, "sign in as ada (admin), vic (viewer), opal (operator), omar (operator and viewer) or otto (outsider), any password")
	row("API", s.API.URL, "documentation at /docs")
	row("Temporal UI", s.Temporal.UI, "")
	row("Inbox", s.Mail.Page, "every mail that was sent")
	row("Cloud admin", s.CloudAdmin, "grant access as the customer would")
	row("Login provider", s.OIDC.Issuer, "")
	row("Postgres", s.Database.URL, "")
	row("S3, Azure, GCS", fmt.Sprintf("%s  %s  %s", s.S3.Endpoint, s.Azurite.Endpoint, s.GCS.Endpoint), "")
	_, _ = fmt.Fprintln(t)
	row("Operator key", s.API.OperatorKey, "all organizations")
	for _, org := range seeded.Orgs {
		row(org.Name, org.ID, "organization")
		row("  admin key", org.AdminKey, "")
		row("  viewer key", org.ViewerKey, "")
		row("  ingest key", org.IngestKey, "")
	}
	_, _ = fmt.Fprintln(t)
	for _, d := range seedDestinations() {
		row("Empty bucket", d, "for an integration")
	}
	_, _ = fmt.Fprintln(t)
	return t.Flush()
}

// clean removes what up keeps.
func clean() error {
	dir, err := stateDir()
	if err != nil {
		return err
	}
	return stack.Remove(dir)
}
