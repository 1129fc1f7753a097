package manifest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// ownFolder holds the service's markers, below a destination's folder: they
// show that it may write there, and are no part of a delivery.
const ownFolder = "_auditferry"

// list takes in what the source holds.
func (a *audit) list(ctx context.Context) error {
	a.sealed, a.bases = map[string]bool{}, map[string]bool{}
	a.advance(func(p *Progress) { p.Stage = StageListing })
	err := a.source.List(ctx, func(e Entry) error {
		a.take(e)
		a.advance(func(p *Progress) { p.Done++ })
		return nil
	})
	if err != nil {
		return fmt.Errorf("list the source: %w", err)
	}
	if len(a.bases) == 0 {
		return fmt.Errorf("%w: no key ends in %s/<export>/<from>-<to>.json; name the folder that an export delivers to, or one above it", ErrNoManifests, schemas.ManifestFolder)
	}
	if !slices.Contains(slices.Collect(maps.Values(a.bases)), true) {
		return fmt.Errorf("%w: %s", ErrNoExport, a.options.Export)
	}
	return nil
}

func (a *audit) take(e Entry) {
	if e.Size == 0 && strings.HasSuffix(e.Key, "/") {
		return // a folder, as some tools show them; it holds nothing
	}
	if place, ok := parseManifestKey(e.Key); ok {
		a.enter(place)
		a.manifests = append(a.manifests, e.Key)
		return
	}
	if signed, ok := strings.CutSuffix(e.Key, schemas.SignatureSuffix); ok {
		if place, ok := parseManifestKey(signed); ok {
			a.enter(place) // also if the manifest is gone
			a.sealed[e.Key] = true
			return
		}
	}
	a.stored[e.Key] = &stored{size: e.Size}
}

// enter notes a folder with manifests, and whether it is to be verified.
func (a *audit) enter(place manifestPlace) {
	a.bases[place.base] = a.bases[place.base] || a.wanted(place)
}

// wanted tells whether a manifest is one of those to be verified.
func (a *audit) wanted(place manifestPlace) bool {
	return a.options.Export == uuid.Nil || a.options.Export == place.export
}

// baseOf is the innermost folder with manifests that holds the key.
func (a *audit) baseOf(key string) (base string, found bool) {
	for cut := strings.LastIndexByte(key, '/'); cut >= 0; cut = strings.LastIndexByte(key[:cut], '/') {
		if _, found := a.bases[key[:cut+1]]; found {
			return key[:cut+1], true
		}
	}
	_, found = a.bases[""]
	return "", found
}

// findUnlisted reports what no manifest that holds has listed. What a final
// manifest says was given up is in order, though no part of a delivery.
func (a *audit) findUnlisted() {
	finals := a.finals()
	for key, o := range a.stored {
		base, _ := a.baseOf(key)
		name := strings.TrimPrefix(key, base)
		if !a.bases[base] || o.listing == proven || o.listing == claimed || strings.HasPrefix(name, ownFolder+"/") {
			continue
		}
		if a.isLeftOver(finals[base], key, name) {
			continue
		}
		a.find(Finding{Class: UnlistedObject, Folder: base, Object: key, Message: unlistedBecause(name, o.listing)})
	}
	for key := range a.sealed {
		signed := strings.TrimSuffix(key, schemas.SignatureSuffix)
		if a.byKey[signed] == nil && !a.reported[signed] {
			a.findOrphan(finals, signed)
		}
	}
}

func unlistedBecause(name string, by listing) string {
	switch {
	case by == void:
		return "Only a manifest that was replaced lists this object; its events were delivered once more, to another place. Leave it out when you load the folder."
	case strings.HasPrefix(name, schemas.ManifestFolder+"/"):
		return "This lies among the manifests, but is neither a manifest nor a signature. The service has not written it: find out who has."
	default:
		return "No manifest lists this object. Either somebody else has put it here, or a delivery was under way or was given up: verify again when no run is active, and leave out the object if it is still unlisted."
	}
}

// findOrphan reports a signature without a manifest. It is written first, so
// that alone shows no removal; what a manifest that follows names does.
func (a *audit) findOrphan(finals map[string][]*node, key string) {
	place, _ := parseManifestKey(key)
	if !a.wanted(place) {
		return
	}
	if a.isLeftOverSignature(finals[place.base], key+schemas.SignatureSuffix, place) {
		return
	}
	a.find(Finding{
		Class: UnlistedObject, Folder: place.base, ExportID: place.export, Object: key + schemas.SignatureSuffix, FirstSeq: place.first, LastSeq: place.last,
		Message: "This signature is here without its manifest. Either a delivery was under way or was given up, or the manifest has been removed: verify again when no run is active, and ask the service how far the export has come (--through).",
	})
}
