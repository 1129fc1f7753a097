package manifest

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// checkPrevious reports when the manifest before n is not the one that n names.
func (a *audit) checkPrevious(p places, c *chain, n *node) {
	ref := n.m.Previous
	if ref == nil {
		return
	}
	place, _ := parseManifestKey(ref.Key)
	if n.place.final && place.last != n.place.last {
		f := n.about(Gap, "This manifest closes the chain at seq %d, but the window before it ends at %d. Report it to the service's operator.", n.place.last, place.last)
		f.FirstSeq = place.last + 1
		a.find(f)
	}
	found, here := a.resolve(p, n, *ref)
	switch {
	case found == nil && here:
		a.missPrevious(c, n, *ref, place)
	case found != nil && found.sum != ref.SHA256:
		f := found.about(ManifestChanged, "This is not the manifest that the one after it, %s, names: that has the SHA-256 %s, and this one %s. Look for the original among the bucket's former versions or backups.", n.key, ref.SHA256, found.sum)
		f.BackfillID = c.backfill
		a.find(f)
	}
	if !n.place.final && !isHere(n, *ref) {
		todo := "Verify that place as well if they matter."
		if found != nil {
			todo = "They are verified here as well."
		}
		f := c.about(Continued, n.place.first, n.place.last, fmt.Sprintf("The windows before seq %d were delivered to %s. %s", n.place.first, ref.Destination, todo))
		f.Manifest = n.key
		a.find(f)
	}
}

func (a *audit) missPrevious(c *chain, n *node, ref schemas.ManifestRef, place manifestPlace) {
	key := c.base + ref.Key
	at := key
	if !isHere(n, ref) {
		key, at = ref.Destination.URL()+ref.Key, ref.Key+" at "+ref.Destination.URL()
	}
	if a.reported[key] {
		return // a final manifest and a window can both name it
	}
	a.reported[key] = true
	f := c.about(ManifestMissing, place.first, place.last, fmt.Sprintf("The manifest %s is named by %s, but it is not there: it has been removed, and what it and those before it told is not proven. Look for it among the bucket's former versions or backups.", at, n.key))
	f.Manifest = key
	a.find(f)
}

// checkStarts reports chains that begin more than once, and notes where they
// begin.
func (a *audit) checkStarts(c *chain) {
	started := false
	for _, w := range c.windows {
		switch {
		case w.m.Previous != nil:
		case started:
			a.find(w.about(ChainRestarted, "A chain begins with this manifest, although another of the same export begins before it; nothing proves that no window between them was removed. Report it to the service's operator."))
		default:
			started = true
			before := ""
			if w.place.first > 1 {
				before = " Events before it are not this delivery's matter."
			}
			f := w.about(ChainBegins, "The chain begins with seq %d.%s", w.place.first, before)
			f.LastSeq = 0
			a.find(f)
		}
	}
}

// checkJoins reports events that no manifest of the chain, or more than one,
// tells of.
func (a *audit) checkJoins(p places, c *chain) {
	var end int64
	for i, w := range c.windows {
		switch {
		case i > 0 && w.place.first <= end:
			f := w.about(Overlap, "Two manifests of the chain tell of the events from seq %d to %d. Report it to the service's operator, and load these events once only.", w.place.first, min(end, w.place.last))
			f.LastSeq = min(end, w.place.last)
			a.find(f)
		case i > 0 && w.place.first > end+1:
			a.explainGap(p, c, w, end+1)
		}
		end = max(end, w.place.last)
	}
}

// explainGap reports those events from seq first to the beginning of w of which
// nothing tells where they are.
func (a *audit) explainGap(p places, c *chain, w *node, first int64) {
	last := w.place.first - 1
	gap := func(first, last int64) {
		if first <= last {
			a.find(c.about(Gap, first, last, fmt.Sprintf("No manifest that holds tells of the events from seq %d to %d. If their manifests were removed, look for them among the bucket's former versions or backups; else report it to the service's operator.", first, last)))
		}
	}
	ref := w.m.Previous
	if ref == nil {
		gap(first, last)
		return
	}
	place, _ := parseManifestKey(ref.Key)
	if !isHere(w, *ref) {
		gap(place.last+1, last) // the rest was delivered to another place
		return
	}
	if found, _ := a.resolve(p, w, *ref); found != nil && found.proven {
		gap(first, last)
		return
	}
	// The one before is missing, or does not hold. That is reported already.
	gap(first, place.first-1)
	gap(max(first, place.last+1), last)
}

// checkEnd reports what is missing at the end, as far as that can be known.
func (a *audit) checkEnd(c *chain) {
	last := c.last()
	for _, final := range c.finals {
		class, message := Closed, "The export delivers nothing after seq %d to this place (%s)."
		switch {
		case c.backfill != uuid.Nil:
			message = "The backfill has ended before all of its range was delivered, after seq %d (%s)."
		case final.place.last == 0:
			message = "The export has left this place (%[2]s) before it had delivered anything to it."
		}
		if last > final.place.last {
			class, message = Reopened, "The chain was closed after seq %d (%s), and windows follow: the export has come back to this place, or a window was given up here and delivered to another place."
		}
		f := final.about(class, message, final.place.last, final.m.Reason)
		f.FirstSeq = 0
		a.find(f)
	}
	if c.backfill != uuid.Nil {
		a.checkBackfill(c)
	}
}

// checkThrough reports exports whose live deliveries, wherever in the source
// they are, end before the seq that was asked for.
func (a *audit) checkThrough() {
	through := a.options.Through
	furthest := map[uuid.UUID]*chain{}
	for _, c := range a.chains {
		if c.backfill == uuid.Nil && (furthest[c.export] == nil || furthest[c.export].last() < c.last()) {
			furthest[c.export] = c
		}
	}
	if len(furthest) == 0 && through > 0 {
		a.find(Finding{Class: ThroughNotReached, LastSeq: through, Message: fmt.Sprintf("No chain of live deliveries holds here, so nothing reaches seq %d.", through)})
	}
	for _, c := range furthest {
		if last := c.last(); last < through {
			a.find(c.about(ThroughNotReached, last+1, through, fmt.Sprintf("The chain ends at seq %d, not at %d. If the export has delivered more, according to the service, then the last manifests were removed: look for them among the bucket's former versions or backups.", last, through)))
		}
	}
}

func (a *audit) checkBackfill(c *chain) {
	if len(c.windows) == 0 {
		return
	}
	incomplete := func(first, last int64) {
		if first <= last {
			a.find(c.about(BackfillIncomplete, first, last, fmt.Sprintf("The backfill was to deliver the events from seq %d to %d as well. Unless it is running, or ended where the service could not write any more, manifests were removed: look for them among the bucket's former versions or backups.", first, last)))
		}
	}
	begin := c.windows[0]
	all := begin.m.Backfill
	if begin.m.Previous == nil { // else the one before is reported
		incomplete(all.FirstSeq, begin.place.first-1)
	}
	if len(c.finals) == 0 { // else that tells where it ended
		incomplete(c.last()+1, all.LastSeq)
	}
}

// checkForks reports manifests that follow the same one, wherever they are:
// there is one next window, in one place.
func (a *audit) checkForks() {
	type branch struct {
		export, backfill uuid.UUID
		previous         string
	}
	followers := map[branch]*node{}
	for _, c := range a.chains {
		for _, w := range c.windows {
			if w.m.Previous == nil {
				continue
			}
			b := branch{c.export, c.backfill, w.m.Previous.SHA256}
			other := followers[b]
			if other == nil {
				followers[b] = w
				continue
			}
			if other.sum != w.sum { // a copy is no other
				a.find(w.about(ChainForked, "This manifest and %s both follow %s. A chain has one next window: report it to the service's operator.", other.key, w.m.Previous.Key))
			}
		}
	}
}

// noteContents tells what was not delivered, and why, and where manifests say
// that they are.
func (a *audit) noteContents(c *chain) {
	var excluded int64
	said := map[schemas.Destination]bool{}
	for _, w := range c.windows {
		excluded += w.m.Excluded
		a.findExpired(w)
	}
	if excluded > 0 {
		a.find(c.about(Excluded, c.windows[0].place.first, c.last(), fmt.Sprintf("The export's filter has kept back %d events of this range. Each window's filter is in its manifest.", excluded)))
	}
	for _, n := range slices.Concat(c.windows, c.finals) {
		if at := a.options.Location; at != "" && n.m.Destination.URL() != at+c.base && !said[n.m.Destination] {
			said[n.m.Destination] = true
			f := n.about(Elsewhere, "This manifest says that it is at %s, and was found at %s: this is a copy, or the folder was moved.", n.m.Destination, at+c.base)
			f.FirstSeq, f.LastSeq = 0, 0
			a.find(f)
		}
	}
}

// findExpired reports the parts of a window of which events were lost.
func (a *audit) findExpired(w *node) {
	if w.m.Expired == 0 {
		return
	}
	f := w.about(Expired, "")
	f.FirstSeq, f.LastSeq = 0, 0
	for _, o := range w.m.Objects {
		if o.Expired == 0 {
			continue
		}
		if f.FirstSeq == 0 {
			f.FirstSeq = o.FirstSeq
		}
		f.LastSeq = o.LastSeq
	}
	f.Message = fmt.Sprintf("%d events between seq %d and %d had expired before they could be delivered, and are lost. The delivery was broken for longer than the service keeps events; this is proven, and cannot be repaired.", w.m.Expired, f.FirstSeq, f.LastSeq)
	a.find(f)
}
