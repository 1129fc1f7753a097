package manifest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/auditferry/auditferry/schemas"
)

// maxManifestBytes is far above the about 100 kB of the largest manifest: a
// window has at most some hundred parts.
const maxManifestBytes = 16 << 20

// load reads all manifests and their signatures. A manifest of another export
// than the one that is asked for is read as well, because the objects that it
// lists are not unlisted.
func (a *audit) load(ctx context.Context) error {
	slices.Sort(a.manifests)
	a.advance(func(p *Progress) { *p = Progress{Stage: StageManifests, Total: int64(len(a.manifests))} })
	a.nodes = make([]*node, len(a.manifests))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(a.options.Parallel * manifestsPerObject)
	for i, key := range a.manifests {
		group.Go(func() error {
			n, err := a.loadOne(ctx, key)
			a.nodes[i] = n
			a.advance(func(p *Progress) { p.Done++ })
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	a.manifests = nil
	for _, n := range a.nodes {
		a.byKey[n.key] = n
	}
	return nil
}

func (a *audit) loadOne(ctx context.Context, key string) (*node, error) {
	place, _ := parseManifestKey(key)
	n := &node{key: key, place: place}
	content, err := a.readSmall(ctx, key, maxManifestBytes)
	if err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", key, err)
	}
	n.sum = digest(content)
	var signature []byte
	if a.sealed[key+schemas.SignatureSuffix] {
		if signature, err = a.readSmall(ctx, key+schemas.SignatureSuffix, maxSignatureBytes+1); err != nil {
			return nil, fmt.Errorf("read signature %s: %w", key+schemas.SignatureSuffix, err)
		}
	}
	malformed := n.decode(content)
	id, unsigned := a.checkSignature(n, content, string(signature))
	if !a.wanted(place) {
		n.sound = n.sound && unsigned == nil // else it could claim what somebody has added
		return n, nil
	}
	if unsigned == nil {
		a.countKey(id)
	}
	switch {
	case unsigned != nil:
		a.find(*unsigned) // what it says is nobody's word, so its form does not matter
	case malformed != nil:
		a.find(*malformed)
	default:
		n.proven = true
	}
	return n, nil
}

// checkSignature returns the key that has signed the manifest, or why it is not
// the service's word.
func (a *audit) checkSignature(n *node, content []byte, signature string) (keyID string, unsigned *Finding) {
	const unproven = " By itself this manifest proves nothing; only a manifest after it that holds, and names it, can."
	if !a.sealed[n.key+schemas.SignatureSuffix] {
		f := n.about(SignatureMissing, "There is no signature beside this manifest (%s%s). Look for it among the bucket's former versions or backups.%s", n.key, schemas.SignatureSuffix, unproven)
		return "", &f
	}
	id, err := a.options.Keys.Verify(content, signature)
	switch {
	case errors.Is(err, ErrForeignKey):
		f := n.about(UnknownKey, "This manifest was %s. Get the key set anew, as a new key may have been added; if that does not help, somebody other than the service has signed it.%s", err, unproven)
		return "", &f
	case err != nil:
		f := n.about(SignatureInvalid, "The manifest or its signature was changed after it was signed: %s. Look for the original among the bucket's former versions or backups.%s", err, unproven)
		return "", &f
	}
	return id, nil
}

func (a *audit) countKey(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.signed[id]++
}

// decode reads the manifest and returns why it cannot be used, or nil.
func (n *node) decode(content []byte) *Finding {
	malformed := func(reason string) *Finding {
		f := n.about(ManifestMalformed, "This manifest cannot be used: %s. Report it to the service's operator.", reason)
		return &f
	}
	if len(content) > maxManifestBytes {
		return malformed(fmt.Sprintf("it is longer than %d bytes", maxManifestBytes))
	}
	var m schemas.Manifest
	decoder := json.NewDecoder(bytes.NewReader(content)) // members that are not known yet are left out
	if err := decoder.Decode(&m); err != nil {
		return malformed(err.Error())
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return malformed("something follows the JSON object")
	}
	if m.Version > schemas.ManifestVersion {
		return malformed(fmt.Sprintf("it is of version %d, and this program knows versions up to %d; get a newer auditferry", m.Version, schemas.ManifestVersion))
	}
	if err := Check(m); err != nil {
		return malformed(err.Error())
	}
	if is := name(m); is != n.place.name() {
		f := n.about(ManifestMisplaced, "This manifest says that its name is %s: it was renamed, or copied to where another was. Give it its own name back, and look for the other one among the bucket's former versions or backups.", is)
		return &f
	}
	n.m, n.sound = m, true
	return nil
}

const (
	readAttempts = 3
	retryPause   = 200 * time.Millisecond // before the second attempt; then one more of it each
)

// readSmall reads a whole object, or one byte more than limit.
func (a *audit) readSmall(ctx context.Context, key string, limit int64) (content []byte, err error) {
	err = retry(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, a.options.Stall)
		defer cancel()
		body, err := a.source.Open(ctx, key)
		if err != nil {
			return err
		}
		content, err = io.ReadAll(io.LimitReader(body, limit+1))
		return errors.Join(err, body.Close())
	})
	return content, err
}

// retry reads again what broke off: connections do, in hours of reading.
func retry(ctx context.Context, read func() error) error {
	for attempt := 1; ; attempt++ {
		err := read()
		if err == nil || attempt == readAttempts || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(attempt) * retryPause):
		}
	}
}
