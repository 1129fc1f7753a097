package actor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/schemas"
)

// Tally is what an auditor finds in one or more folders, for one export. It is
// counted from the objects' own rows, with the stores' root keys: the product's
// word is not asked for.
type Tally struct {
	Events     int // rows, doubled ones included
	Objects    int
	Duplicates int // rows whose seq was seen before
	seen       map[int64]bool
}

// Missing counts the seqs from first to last that no object holds.
func (t Tally) Missing(first, last int64) int {
	missing := 0
	for seq := first; seq <= last; seq++ {
		if !t.seen[seq] {
			missing++
		}
	}
	return missing
}

// Audit reads every object of an export's live deliveries, which are NDJSON, in
// the given places. An object that is
// not whole, or does not hold exactly the rows its name says, is an error.
func Audit(ctx context.Context, s *stack.Stack, slug string, places ...schemas.Destination) (Tally, error) {
	t := Tally{seen: map[int64]bool{}}
	for _, place := range places {
		objects, err := s.Objects(ctx, place)
		if err != nil {
			return t, err
		}
		for _, object := range objects {
			name := object.Key[strings.LastIndex(object.Key, "/")+1:]
			if !strings.HasPrefix(name, slug+"-") || strings.HasPrefix(place.Below(object.Key), schemas.BackfillFolder+"/") {
				continue
			}
			if err := t.read(ctx, s, place, object.Key, name[len(slug)+1:]); err != nil {
				return t, fmt.Errorf("audit %s in %s: %w", object.Key, place, err)
			}
		}
	}
	return t, nil
}

func (t *Tally) read(ctx context.Context, s *stack.Stack, place schemas.Destination, key, extent string) error {
	var first, last int64
	if _, err := fmt.Sscanf(extent, "%d-%d.", &first, &last); err != nil {
		return fmt.Errorf("the name tells no range of seq: %w", err)
	}
	stored, err := s.OpenObject(ctx, place, key)
	if err != nil {
		return err
	}
	defer stored.Close() //nolint:errcheck // read to its end below
	plain, err := Decompress(key, stored)
	if err != nil {
		return err
	}
	t.Objects++
	next := first
	lines := bufio.NewReaderSize(plain, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		}
		if err != nil {
			return err
		}
		var event struct {
			Seq int64 `json:"seq"`
		}
		if err := json.Unmarshal(line, &event); err != nil {
			return fmt.Errorf("row %d: %w", next, err)
		}
		if event.Seq != next {
			return fmt.Errorf("row %d has seq %d", next, event.Seq)
		}
		t.add(event.Seq)
		next++
	}
	if next != last+1 {
		return fmt.Errorf("the rows end at %d, not at %d", next-1, last)
	}
	return nil
}

func (t *Tally) add(seq int64) {
	t.Events++
	if t.seen[seq] {
		t.Duplicates++
	}
	t.seen[seq] = true
}

// Decompress undoes the compression that the ending of an object's key names.
func Decompress(key string, stored io.Reader) (io.Reader, error) {
	switch {
	case strings.HasSuffix(key, ".gz"):
		return gzip.NewReader(stored)
	case strings.HasSuffix(key, ".zst"):
		reader, err := zstd.NewReader(stored, zstd.WithDecoderConcurrency(1))
		return reader, err
	default:
		return stored, nil
	}
}
