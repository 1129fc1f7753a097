package manifest

import (
	"cmp"
	"slices"
	"strings"

	"github.com/auditferry/auditferry/schemas"
)

// finals are the final manifests of each folder that hold and tell of
// deliveries which were given up, also those of exports that are not verified:
// what those left over is not unlisted either.
func (a *audit) finals() map[string][]*node {
	finals := map[string][]*node{}
	for _, n := range a.nodes {
		if len(n.m.GivenUp) > 0 && (n.proven || n.sound && !a.wanted(n.place)) {
			finals[n.place.base] = append(finals[n.place.base], n)
		}
	}
	return finals
}

// isLeftOver tells whether an unlisted object goes by a name that a delivery
// would have given it which one of the finals says was given up. If so, it is
// noted.
func (a *audit) isLeftOver(finals []*node, key, name string) bool {
	slug, first, last, ok := schemas.ParseObjectName(name)
	if !ok || strings.HasPrefix(name, schemas.ManifestFolder+"/") {
		return false
	}
	return slices.ContainsFunc(finals, func(n *node) bool {
		g := n.gaveUp(first, last)
		return g != nil && g.Slug == slug && a.findLeftOver(n, key, first, last)
	})
}

// isLeftOverSignature does the same for the signature of a window's manifest
// that was not written any more.
func (a *audit) isLeftOverSignature(finals []*node, key string, signed manifestPlace) bool {
	return !signed.final && slices.ContainsFunc(finals, func(n *node) bool {
		return n.place.export == signed.export && n.gaveUp(signed.first, signed.last) != nil && a.findLeftOver(n, key, signed.first, signed.last)
	})
}

// gaveUp is the range with these seqs of which a final manifest says that its
// delivery was begun and given up; nil if it has none.
func (n *node) gaveUp(first, last int64) *schemas.GivenUp {
	ranges := n.m.GivenUp
	i, _ := slices.BinarySearchFunc(ranges, first, func(g schemas.GivenUp, seq int64) int { return cmp.Compare(g.LastSeq, seq) })
	if i < len(ranges) && ranges[i].FirstSeq <= first && last <= ranges[i].LastSeq {
		return &ranges[i]
	}
	return nil
}

// findLeftOver notes what was left over, unless its export is not verified.
func (a *audit) findLeftOver(final *node, key string, first, last int64) bool {
	if c := a.chainOf[final.chainID()]; c != nil {
		c.leftOver++
		f := final.about(LeftOver, "This is left over from a delivery that was begun here and given up, as %s says. It is no part of what was delivered: leave it out when you load the folder.", final.key)
		f.Manifest, f.Object, f.FirstSeq, f.LastSeq = "", key, first, last
		a.find(f)
	}
	return true
}
