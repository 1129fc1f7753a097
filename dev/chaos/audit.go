package chaos

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/schemas"
)

// audit counts, for each export of an org, what its listed objects hold. They
// are read from the stores with root keys, past the product.
func (p *play) audit(ctx context.Context, o *org, r *Result) error {
	recorded := o.acknowledged()
	r.Events += recorded
	for _, f := range o.ferries {
		found, err := p.prove(ctx, o, f, r)
		if err != nil {
			return err
		}
		for _, e := range f.exports {
			listed, err := o.listed(ctx, e)
			if err != nil {
				return err
			}
			sum := listing{objects: int64(len(listed))}
			for _, object := range listed {
				sum.rows += object.Rows
			}
			if found.proven[e.id] != sum {
				r.fail("%s, %s: the manifests list %+v, the ledger %+v", o.name, e.name, found.proven[e.id], sum)
			}
			t := newTally(o.name, recorded)
			for _, object := range listed {
				if err := p.read(ctx, o.folder(f.cloud, 0), object, t); err != nil {
					r.fail("%s, %s: %s: %s", o.name, e.name, object.Key, err)
				}
			}
			now, err := o.admin.ReadExport(ctx, e.id)
			if err != nil {
				return err
			}
			lost, doubled := t.sum()
			if e.deleted {
				lost = 0 // nobody wants the rest any more
			}
			r.Lost += lost
			r.Doubled += doubled
			r.Exports++
			r.Objects += len(listed)
			r.Delivered += t.rows
			if gap := chain(listed, now.DeliveredSeq); gap != "" {
				r.fail("%s, %s: %s", o.name, e.name, gap)
			}
			if lost+doubled > 0 {
				r.fail("%s, %s: %d events lost, %d doubled", o.name, e.name, lost, doubled)
			}
			unlisted, twins, err := p.unlisted(ctx, o, f, now.Slug, listed)
			if err != nil {
				return err
			}
			for _, key := range unlisted {
				if !found.told[key] {
					r.Unlisted++
					r.fail("%s, %s: %s is not listed, and an auditor does not see it", o.name, e.name, key)
				}
			}
			for _, twin := range twins {
				r.fail("%s, %s: %s is not listed, and its events are listed at the same place", o.name, e.name, twin)
			}
		}
	}
	return nil
}

// listed is what an export says it has delivered, in order: the objects of the
// runs that succeeded. Only these count. A run that failed may have left others
// at a place that its export has moved away from since; see prove.
func (o *org) listed(ctx context.Context, e *export) ([]schemas.Object, error) {
	at := fmt.Sprintf("/v1/exports/%s/runs", e.id)
	runs, err := pages[schemas.Run](ctx, o.client, at)
	if err != nil {
		return nil, err
	}
	var listed []schemas.Object
	for _, run := range slices.Backward(runs) { // they come newest first
		if run.Status != schemas.RunSucceeded {
			continue
		}
		var detail struct {
			Objects []schemas.Object `json:"objects"`
		}
		if err := o.client.command(ctx, http.MethodGet, at+"/"+run.ID.String(), nil, &detail); err != nil {
			return nil, err
		}
		listed = append(listed, detail.Objects...)
	}
	slices.SortStableFunc(listed, func(a, b schemas.Object) int { return int(a.FirstSeq - b.FirstSeq) })
	return listed, nil
}

// chain says where the objects do not follow each other from the first event to
// the last delivered one; "" if they do.
func chain(listed []schemas.Object, delivered int64) string {
	next := int64(1)
	for _, object := range listed {
		if object.FirstSeq != next {
			return fmt.Sprintf("%s begins with seq %d, not %d", object.Key, object.FirstSeq, next)
		}
		next = object.LastSeq + 1
	}
	if next != delivered+1 {
		return fmt.Sprintf("the objects end with seq %d, the export says %d", next-1, delivered)
	}
	return ""
}

// tally counts one export's events.
type tally struct {
	org     string
	times   []int // how often an event came, by the vendor's number
	foreign int   // events that the vendor never reported for this org
	rows    int
}

func newTally(org string, reported int) *tally {
	return &tally{org: org, times: make([]int, reported+1)}
}

// sum counts the reported events that are missing, and those that are there too
// often or should not be there at all.
func (t *tally) sum() (lost, doubled int) {
	doubled = t.foreign
	for _, times := range t.times[1:] {
		if times == 0 {
			lost++
		} else {
			doubled += times - 1
		}
	}
	return lost, doubled
}

// read holds an object to what is listed of it, and counts its events.
func (p *play) read(ctx context.Context, bucket schemas.Destination, object schemas.Object, t *tally) error {
	body, err := p.stack.OpenObject(ctx, bucket, object.Key)
	if err != nil {
		return err
	}
	stored, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		return err
	}
	sum := sha256.Sum256(stored)
	if int64(len(stored)) != object.Bytes || hex.EncodeToString(sum[:]) != object.SHA256 {
		return fmt.Errorf("the %d bytes stored are not the %d listed", len(stored), object.Bytes)
	}
	plain, err := actor.Decompress(object.Key, bytes.NewReader(stored))
	if err != nil {
		return err
	}
	next := object.FirstSeq
	lines := bufio.NewScanner(plain)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Seq     int64 `json:"seq"`
			Context struct {
				RequestID string `json:"request_id"`
			} `json:"context"`
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return err
		}
		if event.Seq != next {
			return fmt.Errorf("seq %d follows %d", event.Seq, next-1)
		}
		next++
		t.add(event.Context.RequestID)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if next != object.LastSeq+1 {
		return fmt.Errorf("the rows end with seq %d, not %d", next-1, object.LastSeq)
	}
	return nil
}

// add counts one event. What the product itself has recorded carries no number.
func (t *tally) add(requestID string) {
	t.rows++
	org, number, ours := strings.Cut(requestID, "#")
	if !ours {
		return
	}
	var n int
	if _, err := fmt.Sscan(number, &n); err != nil || org != t.org || n < 1 || n >= len(t.times) {
		t.foreign++ // another org's, or one that nobody has reported
		return
	}
	t.times[n]++
}

// unlisted names an export's objects in all places that are not listed, and of
// them those whose events are listed in another object of the same place:
// whoever reads that place would find them twice.
func (p *play) unlisted(ctx context.Context, o *org, f *ferry, slug string, listed []schemas.Object) (unlisted, twins []string, err error) {
	known := make(map[string]bool, len(listed))
	for _, object := range listed {
		known[object.Key] = true
	}
	for place := range folders {
		at := o.folder(f.cloud, place)
		objects, err := p.stack.Objects(ctx, at)
		if err != nil {
			return nil, nil, err
		}
		for _, object := range objects {
			name := object.Key[strings.LastIndex(object.Key, "/")+1:]
			extent, ours := strings.CutPrefix(name, slug+"-")
			if !ours || known[object.Key] {
				continue
			}
			unlisted = append(unlisted, object.Key)
			var first, last int64
			if _, err := fmt.Sscanf(extent, "%d-%d.", &first, &last); err != nil {
				return nil, nil, fmt.Errorf("the name of %s tells no range of seq: %w", object.Key, err)
			}
			if overlapping(listed, at.Key(""), first, last) {
				twins = append(twins, object.Key)
			}
		}
	}
	return unlisted, twins, nil
}

// overlapping tells whether a listed object in the folder has one of the seqs.
func overlapping(listed []schemas.Object, folder string, first, last int64) bool {
	return slices.ContainsFunc(listed, func(object schemas.Object) bool {
		return strings.HasPrefix(object.Key, folder) && object.FirstSeq <= last && first <= object.LastSeq
	})
}
