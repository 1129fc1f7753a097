package manifest

import (
	"encoding/hex"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// maxSeq is far above any seq, and far enough below the largest number that
// sums of three cannot run over.
const maxSeq = 1 << 60

// Check tells whether a manifest adds up: its objects follow each other from
// the first seq to the last, each accounts for its whole range, the totals are
// the sums, and its keys stay in their folder. It looks at nothing but the
// manifest. The error says what does not fit.
func Check(m schemas.Manifest) error {
	if err := check(m); err != nil {
		return fmt.Errorf("manifest does not add up: %w", err)
	}
	return nil
}

func check(m schemas.Manifest) error {
	switch {
	case m.Version != schemas.ManifestVersion:
		return fmt.Errorf("its version is %d; known is %d", m.Version, schemas.ManifestVersion)
	case m.OrgID == uuid.Nil:
		return fmt.Errorf("it names no organization")
	case m.IntegrationID == uuid.Nil:
		return fmt.Errorf("it names no integration")
	case m.ExportID == uuid.Nil:
		return fmt.Errorf("it names no export")
	case m.Destination.URL() == "":
		return fmt.Errorf("it names no destination")
	}
	if err := checkRef(m, m.Previous); err != nil {
		return fmt.Errorf("previous: %w", err)
	}
	if err := checkRef(m, m.Replaces); err != nil {
		return fmt.Errorf("replaces: %w", err)
	}
	switch m.Kind {
	case schemas.ManifestWindow:
		return checkWindow(m)
	case schemas.ManifestFinal:
		return checkFinal(m)
	default:
		return fmt.Errorf("its kind %q is unknown", m.Kind)
	}
}

func checkFinal(m schemas.Manifest) error {
	switch {
	case m.FirstSeq != 0 || len(m.Objects) > 0 || m.Rows != 0 || m.Excluded != 0 || m.Expired != 0 || m.Bytes != 0:
		return fmt.Errorf("a final manifest delivers nothing, but this one has a first seq, objects or totals")
	case m.LastSeq < 0 || m.LastSeq > maxSeq:
		return fmt.Errorf("its last seq is %d", m.LastSeq)
	}
	switch m.Reason {
	case schemas.ClosedByRetarget, schemas.ClosedByRelink, schemas.ClosedByExportDeleted, schemas.ClosedByIntegrationDeleted, schemas.ClosedByBackfillEnd:
		return checkGivenUp(m.GivenUp)
	}
	return fmt.Errorf("its reason %q is unknown", m.Reason)
}

func checkGivenUp(ranges []schemas.GivenUp) error {
	var last int64
	for i, g := range ranges {
		switch {
		case g.Slug == "" || strings.Contains(g.Slug, "/"):
			return fmt.Errorf("given up range %d has the slug %q", i+1, g.Slug)
		case g.FirstSeq < 1 || g.LastSeq < g.FirstSeq || g.LastSeq > maxSeq:
			return fmt.Errorf("given up range %d: %d to %d is no range of seq", i+1, g.FirstSeq, g.LastSeq)
		case g.FirstSeq <= last:
			return fmt.Errorf("given up range %d begins at seq %d, but the one before it ends at %d", i+1, g.FirstSeq, last)
		}
		last = g.LastSeq
	}
	return nil
}

func checkWindow(m schemas.Manifest) error {
	switch {
	case m.FirstSeq < 1 || m.LastSeq < m.FirstSeq || m.LastSeq > maxSeq:
		return fmt.Errorf("%d to %d is no range of seq", m.FirstSeq, m.LastSeq)
	case m.Backfill != nil && (m.FirstSeq < m.Backfill.FirstSeq || m.LastSeq > m.Backfill.LastSeq):
		return fmt.Errorf("%d to %d is outside of its backfill, %d to %d", m.FirstSeq, m.LastSeq, m.Backfill.FirstSeq, m.Backfill.LastSeq)
	case len(m.GivenUp) > 0:
		return fmt.Errorf("a window gives nothing up, but this one has %d ranges", len(m.GivenUp))
	case m.Reason != "":
		return fmt.Errorf("a window has no reason to close, but this one has %q", m.Reason)
	case m.RecordedFrom != nil && m.RecordedTo != nil && m.RecordedTo.Before(*m.RecordedFrom):
		return fmt.Errorf("it ends before it begins: %s, %s", m.RecordedFrom, m.RecordedTo)
	case m.Previous != nil && !endsBefore(*m.Previous, m.FirstSeq):
		return fmt.Errorf("it begins at seq %d, but names %q as the one before it", m.FirstSeq, m.Previous.Key)
	case m.Excluded > 0 && (m.Filter == nil || m.Filter.IsZero()):
		return fmt.Errorf("it excludes %d events without a filter", m.Excluded)
	}
	if err := schemas.CheckFormat(m.Format, m.Compression); err != nil {
		return err
	}
	return checkObjects(m)
}

func checkObjects(m schemas.Manifest) error {
	var rows, excluded, expired, size int64
	next := m.FirstSeq
	keys := make(map[string]bool, len(m.Objects))
	for i, o := range m.Objects {
		if o.FirstSeq != next {
			return fmt.Errorf("object %d begins at seq %d, not at %d", i+1, o.FirstSeq, next)
		}
		if err := checkObject(o); err != nil {
			return fmt.Errorf("object %d: %w", i+1, err)
		}
		if o.Key != "" {
			if keys[o.Key] {
				return fmt.Errorf("object %d has the key of another: %q", i+1, o.Key)
			}
			keys[o.Key] = true
		}
		next = o.LastSeq + 1
		rows, excluded, expired, size = rows+o.Rows, excluded+o.Excluded, expired+o.Expired, size+o.Bytes
	}
	if next != m.LastSeq+1 {
		return fmt.Errorf("its objects end at seq %d, not at %d", next-1, m.LastSeq)
	}
	if rows != m.Rows || excluded != m.Excluded || expired != m.Expired || size != m.Bytes {
		return fmt.Errorf("its totals are %d rows, %d excluded, %d expired, %d bytes, but its objects sum up to %d, %d, %d, %d",
			m.Rows, m.Excluded, m.Expired, m.Bytes, rows, excluded, expired, size)
	}
	return nil
}

func checkObject(o schemas.ManifestObject) error {
	span := o.LastSeq - o.FirstSeq + 1
	switch {
	case o.LastSeq < o.FirstSeq || o.LastSeq > maxSeq:
		return fmt.Errorf("%d to %d is no range of seq", o.FirstSeq, o.LastSeq)
	case o.Rows < 0 || o.Excluded < 0 || o.Expired < 0 || o.Bytes < 0:
		return fmt.Errorf("has a number below zero")
	case o.Rows > span || o.Excluded > span || o.Expired > span || o.Rows+o.Excluded+o.Expired != span:
		return fmt.Errorf("%d rows, %d excluded and %d expired are not the %d numbers from %d to %d", o.Rows, o.Excluded, o.Expired, span, o.FirstSeq, o.LastSeq)
	case o.Rows == 0:
		if o.Key != "" || o.Bytes != 0 || o.SHA256 != "" {
			return fmt.Errorf("has a key, bytes or a hash, but no rows")
		}
		return nil
	case o.Bytes == 0:
		return fmt.Errorf("has rows, but no bytes")
	}
	if err := checkKey(o.Key); err != nil {
		return err
	}
	if first, _, _ := strings.Cut(o.Key, "/"); first == schemas.ManifestFolder {
		return fmt.Errorf("has the key %q, which is a manifest's", o.Key)
	}
	return checkDigest(o.SHA256)
}

// checkRef lets references pass to windows of the same export.
func checkRef(m schemas.Manifest, ref *schemas.ManifestRef) error {
	if ref == nil {
		return nil
	}
	if err := checkKey(ref.Key); err != nil {
		return err
	}
	place, ok := parseManifestKey(ref.Key)
	switch {
	case !ok || place.base != "" || place.final:
		return fmt.Errorf("%q is not the key of a window's manifest below its destination", ref.Key)
	case place.export != m.ExportID:
		return fmt.Errorf("%q is another export's", ref.Key)
	}
	return checkDigest(ref.SHA256)
}

// endsBefore tells whether the window that ref names ends before seq.
func endsBefore(ref schemas.ManifestRef, seq int64) bool {
	place, _ := parseManifestKey(ref.Key)
	return place.last < seq
}

// checkKey lets keys pass that mean one object in every store and, copied to a
// disk, one file below the folder.
func checkKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("has no key")
	case !utf8.ValidString(key) || strings.ContainsAny(key, "\x00\\"):
		return fmt.Errorf("has a key with characters that are not allowed: %q", key)
	case path.IsAbs(key) || path.Clean(key) != key || key == "." || key == ".." || strings.HasPrefix(key, "../"):
		return fmt.Errorf("has the key %q, which could leave its folder", key)
	}
	return nil
}

func checkDigest(sum string) error {
	decoded, err := hex.DecodeString(sum)
	if err != nil || len(decoded) != 32 || strings.ToLower(sum) != sum {
		return fmt.Errorf("has the SHA-256 %q; it must be 64 lower-case hexadecimal digits", sum)
	}
	return nil
}
