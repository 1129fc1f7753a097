package manifest

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// chain is what one export, or one of its backfills, has delivered to one
// folder. It holds manifests that are proven and not void.
type chain struct {
	base     string
	export   uuid.UUID
	backfill uuid.UUID // Nil: live deliveries
	windows  []*node   // by first seq
	finals   []*node   // by last seq
	leftOver int64     // objects of deliveries that were given up
}

type chainID struct {
	base             string
	export, backfill uuid.UUID
}

// chainID is that of the chain which a manifest belongs to.
func (n *node) chainID() chainID {
	id := chainID{base: n.place.base, export: n.place.export}
	if n.m.Backfill != nil {
		id.backfill = n.m.Backfill.ID
	}
	return id
}

// link orders the manifests into chains and checks that they join.
func (a *audit) link(context.Context) error {
	places := a.places()
	a.vouch(places)
	a.voidReplaced(places)
	a.gather()
	for _, c := range a.chains {
		for _, n := range slices.Concat(c.windows, c.finals) {
			a.checkPrevious(places, c, n)
		}
		a.checkStarts(c)
		a.checkJoins(places, c)
		a.checkEnd(c)
		a.noteContents(c)
	}
	a.checkForks()
	a.checkThrough()
	return nil
}

// gather makes the chains.
func (a *audit) gather() {
	a.chainOf = map[chainID]*chain{}
	for _, n := range a.nodes {
		if !n.proven || n.void {
			continue
		}
		id := n.chainID()
		c := a.chainOf[id]
		if c == nil {
			c = &chain{base: id.base, export: id.export, backfill: id.backfill}
			a.chainOf[id] = c
			a.chains = append(a.chains, c)
		}
		if n.place.final {
			c.finals = append(c.finals, n)
		} else {
			c.windows = append(c.windows, n)
		}
	}
	for _, c := range a.chains {
		slices.SortFunc(c.windows, func(x, y *node) int {
			return cmp.Or(cmp.Compare(x.place.first, y.place.first), cmp.Compare(x.place.last, y.place.last))
		})
		slices.SortFunc(c.finals, func(x, y *node) int {
			return cmp.Or(cmp.Compare(x.place.last, y.place.last), cmp.Compare(x.place.givenUpTo, y.place.givenUpTo))
		})
	}
	slices.SortFunc(a.chains, func(x, y *chain) int {
		return cmp.Or(cmp.Compare(x.base, y.base), cmp.Compare(x.export.String(), y.export.String()), cmp.Compare(x.backfill.String(), y.backfill.String()))
	})
}

// last is the last seq that the chain tells of, or 0.
func (c *chain) last() int64 {
	var last int64
	for _, w := range c.windows {
		last = max(last, w.place.last)
	}
	return last
}

// closed is the manifest that closed the chain for good, or nil: nothing
// follows it.
func (c *chain) closed() *node {
	if len(c.finals) == 0 {
		return nil
	}
	final := c.finals[len(c.finals)-1]
	if c.last() > final.place.last {
		return nil
	}
	return final
}

// newest is the manifest that was made last.
func (c *chain) newest() *node {
	if final := c.closed(); final != nil {
		return final
	}
	return c.windows[len(c.windows)-1] // a chain without windows is closed
}

func (c *chain) summary() Chain {
	newest := c.newest().m
	s := Chain{
		OrgID: newest.OrgID, IntegrationID: newest.IntegrationID, ExportID: c.export, BackfillID: c.backfill,
		Folder: c.base, Destination: newest.Destination, Windows: len(c.windows), LastSeq: c.last(), LeftOver: c.leftOver,
	}
	if final := c.closed(); final != nil {
		s.Closed = final.m.Reason
	}
	for i, w := range c.windows {
		if i == 0 {
			s.FirstSeq = w.place.first
		}
		s.Rows, s.Excluded, s.Expired, s.Bytes = s.Rows+w.m.Rows, s.Excluded+w.m.Excluded, s.Expired+w.m.Expired, s.Bytes+w.m.Bytes
		for _, o := range w.m.Objects {
			if o.Key != "" {
				s.Objects++
			}
		}
		if s.RecordedFrom == nil {
			s.RecordedFrom = w.m.RecordedFrom
		}
		if w.m.RecordedTo != nil {
			s.RecordedTo = w.m.RecordedTo
		}
	}
	return s
}

// about begins a finding about a chain.
func (c *chain) about(class Class, first, last int64, message string) Finding {
	return Finding{
		Class: class, Folder: c.base, ExportID: c.export, BackfillID: c.backfill,
		FirstSeq: first, LastSeq: last, Message: message,
	}
}

// places finds manifests by the destination that they name, for references
// from one destination to another.
type places struct {
	byName map[string][]*node // URL and name; several if the source holds copies
	known  map[schemas.Destination]bool
}

func (a *audit) places() places {
	p := places{byName: map[string][]*node{}, known: map[schemas.Destination]bool{}}
	for _, n := range a.nodes {
		if n.sound {
			p.byName[n.m.Destination.URL()+n.place.name()] = append(p.byName[n.m.Destination.URL()+n.place.name()], n)
			p.known[n.m.Destination] = p.known[n.m.Destination] || n.proven
		}
	}
	return p
}

// resolve returns the manifest that ref, in from, is about, nil if the source
// does not have it; the folder that it should be in; and whether that folder
// belongs to the source at all.
func (a *audit) resolve(p places, from *node, ref schemas.ManifestRef) (found *node, here bool) {
	if isHere(from, ref) {
		return a.byKey[from.place.base+ref.Key], true
	}
	for _, n := range p.byName[ref.Destination.URL()+ref.Key] {
		if found = n; n.sum == ref.SHA256 {
			break // of several copies, the one that is meant
		}
	}
	return found, p.known[ref.Destination]
}

// isHere tells whether ref is to a manifest of the same destination, which has
// to be in the same folder.
func isHere(from *node, ref schemas.ManifestRef) bool {
	return ref.Destination == schemas.Destination{} || ref.Destination == from.m.Destination
}

// vouch believes manifests whose own signature is gone or broken, but whose
// exact content is named by a manifest that is believed. The signature stays a
// finding.
func (a *audit) vouch(p places) {
	var believed []*node
	for _, n := range a.nodes {
		if n.proven {
			believed = append(believed, n)
		}
	}
	for len(believed) > 0 {
		n := believed[len(believed)-1]
		believed = believed[:len(believed)-1]
		for _, ref := range []*schemas.ManifestRef{n.m.Previous, n.m.Replaces} {
			if ref == nil {
				continue
			}
			if found, _ := a.resolve(p, n, *ref); found != nil && found.sum == ref.SHA256 && found.sound && !found.proven && a.wanted(found.place) {
				found.proven = true
				believed = append(believed, found)
			}
		}
	}
}

// voidReplaced takes out what was delivered once more, to another place, and
// what was given up after it had been written, and before that was recorded.
func (a *audit) voidReplaced(p places) {
	for _, n := range a.nodes {
		if !n.proven || n.m.Replaces == nil {
			continue
		}
		if found, _ := a.resolve(p, n, *n.m.Replaces); found != nil && found.sum == n.m.Replaces.SHA256 && found != n {
			found.void = true
			a.find(found.about(Replaced, "This manifest is void: %s says that "+whyVoid(n), n.key))
		}
	}
}

func whyVoid(by *node) string {
	if by.m.Kind == schemas.ManifestFinal {
		return "its delivery was given up."
	}
	return "its events were delivered once more."
}
