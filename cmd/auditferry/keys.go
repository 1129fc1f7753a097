package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"

	"github.com/auditferry/auditferry/internal/manifest"
)

const keysHelp = `Make and show the keys that manifests are signed with. Operators of the service
need this; auditors do not.

Usage:
  auditferry keys new [file]    make a key; without a file it is printed
  auditferry keys show <file>   print a key's ID and its public part

The key is an Ed25519 key as PKCS#8 PEM. Who has the file can sign manifests, so
it is written for its owner alone, and an existing file is never overwritten.
To change keys, give the worker the new one. The public part of the old one
stays published, so manifests that it has signed go on verifying.

Examples:
  auditferry keys new /etc/auditferry/signing.pem
  auditferry keys show /etc/auditferry/signing.pem
`

func runKeys(_ context.Context, c console, args []string) error {
	arguments, err := parse(c, flag.NewFlagSet("keys", flag.ContinueOnError), keysHelp, args)
	if err != nil {
		return err
	}
	switch {
	case len(arguments) == 1 && arguments[0] == "new":
		return newKey(c, "")
	case len(arguments) == 2 && arguments[0] == "new":
		return newKey(c, arguments[1])
	case len(arguments) == 2 && arguments[0] == "show":
		return showKey(c, arguments[1])
	}
	return &usageError{"keys", `say "keys new [file]" or "keys show <file>"`}
}

func newKey(c console, file string) error {
	text, err := manifest.GenerateKey()
	if err != nil {
		return err
	}
	signer, err := signerOf(text)
	if err != nil {
		return err
	}
	if file == "" {
		_, err := c.out.Write(text)
		return err
	}
	if err := writeNew(file, text); err != nil {
		return err
	}
	say(c.out, "Wrote the signing key %s to %s.\n", signer.KeyID(), file)
	return nil
}

// writeNew writes a file that only its owner can read, whole or not at all, and
// never over another.
func writeNew(file string, content []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already, and a key that manifests were signed with must not be lost; choose another file", file)
	}
	if err != nil {
		return fmt.Errorf("create the key file: %w", err)
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return errors.Join(fmt.Errorf("write the key file: %w", err), os.Remove(file))
	}
	return nil
}

func showKey(c console, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the key file: %w", err)
	}
	signer, err := signerOf(text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	var jwk bytes.Buffer
	if err := json.Indent(&jwk, signer.PublicKey().JWK, "", "  "); err != nil {
		return fmt.Errorf("print the public key: %w", err)
	}
	say(c.out, "ID:         %s\nPublic key: %s\n", signer.KeyID(), jwk.Bytes())
	return nil
}

func signerOf(text []byte) (*manifest.Signer, error) {
	key, err := manifest.ParseKey(text)
	if err != nil {
		return nil, err
	}
	return manifest.NewSigner(key)
}
