package manifest

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

var manifestKey = regexp.MustCompile(`^((?:.+/)?)` + schemas.ManifestFolder + `/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/([0-9]+)-(?:([0-9]+)|final(?:-([0-9]+))?)\.json$`)

// manifestPlace is what the key of a manifest tells.
type manifestPlace struct {
	base        string // folder that the manifest's keys are below: "" or with a slash at its end
	export      uuid.UUID
	first, last int64 // final: first is 0
	final       bool
	givenUpTo   int64 // final: the last seq after last that was given up; 0: none was
}

// parseManifestKey reads `<base>/_manifests/<export>/<name>.json`.
func parseManifestKey(key string) (manifestPlace, bool) {
	found := manifestKey.FindStringSubmatch(key)
	if found == nil {
		return manifestPlace{}, false
	}
	export, err := uuid.Parse(found[2])
	if err != nil {
		return manifestPlace{}, false
	}
	place := manifestPlace{base: found[1], export: export, final: found[4] == ""}
	first, err := strconv.ParseInt(found[3], 10, 64)
	if err != nil {
		return manifestPlace{}, false
	}
	second := &place.last
	if place.final {
		place.last, second = first, &place.givenUpTo
	} else {
		place.first = first
	}
	if number := found[4] + found[5]; number != "" { // one of them is empty
		if *second, err = strconv.ParseInt(number, 10, 64); err != nil {
			return manifestPlace{}, false
		}
	}
	// One number has one spelling, so that one manifest has one name.
	return place, strings.TrimPrefix(key, place.base) == place.name()
}

// name is the manifest's name below its base.
func (p manifestPlace) name() string {
	if p.final {
		return schemas.FinalManifestName(p.export, p.last, p.givenUpTo)
	}
	return schemas.ManifestName(p.export, p.first, p.last)
}
