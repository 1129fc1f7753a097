// Package manifest seals the manifests that tell which objects make up a
// delivery, and verifies a folder against them: signatures, chains, hashes,
// rows and gaps. Verifying needs no access to the service, only its public
// keys.
package manifest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/auditferry/auditferry/schemas"
)

// Seal fixes the bytes of a manifest and signs them. The same manifest and key
// give the same bytes and the same signature, always: a seal that is made again
// after a crash is the one that may be stored already. The bytes are JSON,
// indented by two spaces so that people can read it, in the order of the
// struct's members, with times in UTC and a line feed at the end.
//
// A manifest that does not add up is not signed; the error is that of Check.
func Seal(s *Signer, m schemas.Manifest) (schemas.SealedManifest, error) {
	if err := Check(m); err != nil {
		return schemas.SealedManifest{}, err
	}
	content, err := encode(m)
	if err != nil {
		return schemas.SealedManifest{}, err
	}
	signature, err := s.Sign(content)
	if err != nil {
		return schemas.SealedManifest{}, err
	}
	return schemas.SealedManifest{
		Key:       m.Destination.Key(name(m)),
		Content:   content,
		SHA256:    digest(content),
		Signature: signature,
	}, nil
}

// name is the manifest's name below its destination.
func name(m schemas.Manifest) string {
	if m.Kind == schemas.ManifestFinal {
		return schemas.FinalManifestName(m.ExportID, m.LastSeq, schemas.GivenUpTo(m.GivenUp, m.LastSeq))
	}
	return schemas.ManifestName(m.ExportID, m.FirstSeq, m.LastSeq)
}

func encode(m schemas.Manifest) ([]byte, error) {
	// The same moment has many spellings, one for each time zone.
	m.RecordedFrom, m.RecordedTo = inUTC(m.RecordedFrom), inUTC(m.RecordedTo)
	var content bytes.Buffer
	e := json.NewEncoder(&content) // ends with a line feed
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(m); err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return content.Bytes(), nil
}

func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	utc := t.UTC()
	return &utc
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
