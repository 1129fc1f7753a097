package manifest

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

var manifestKey = regexp.MustCompile(`^((?:.+/)?)` + schemas.ManifestFolder + `/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/([0-9]+)-([0-9]+|final)\.json$`)

// manifestPlace is what the key of a manifest tells.
type manifestPlace struct {
	base        string // folder that the manifest's keys are below: "" or with a slash at its end
	export      uuid.UUID
	first, last int64 // final: first is 0
	final       bool
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
	place := manifestPlace{base: found[1], export: export, final: found[4] == "final"}
	first, err := strconv.ParseInt(found[3], 10, 64)
	if err != nil {
		return manifestPlace{}, false
	}
	if place.final {
		place.last = first
	} else {
		place.first = first
		if place.last, err = strconv.ParseInt(found[4], 10, 64); err != nil {
			return manifestPlace{}, false
		}
	}
	// One number has one spelling, so that one manifest has one name.
	return place, strings.TrimPrefix(key, place.base) == place.name()
}

// name is the manifest's name below its base.
func (p manifestPlace) name() string {
	if p.final {
		return schemas.FinalManifestName(p.export, p.last)
	}
	return schemas.ManifestName(p.export, p.first, p.last)
}
