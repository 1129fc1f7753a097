package encode

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// row is one event, taken apart. It stays valid until the body that it was
// read from changes or its decoder is reset.
type row struct {
	seq        int64
	recordedAt time.Time
	occurredAt time.Time
	// cells are the columns' texts, the numbers' and times' as they stand in
	// the body; nil if absent.
	cells [columnCount][]byte
}

// decoder takes canonical bodies apart. It knows the one order and spelling in
// which schemas.Event.Canonical writes the members, and refuses any other: a
// member that it does not know would be one that no column shows. It takes a
// third of the time of go-json-experiment's decoder into a struct, and a ninth
// of encoding/json's.
type decoder struct {
	body    []byte
	at      int
	scratch []byte // texts whose escapes were undone
}

// reset frees the rows that were decoded so far.
func (d *decoder) reset() { d.scratch = d.scratch[:0] }

// decode fills r with the event of body. The error says where body is not in
// canonical form, not what stands there.
func (d *decoder) decode(body []byte, r *row) error {
	d.body, d.at = body, 0
	*r = row{}
	if !utf8.Valid(body) {
		return errors.New("encode: the event is not valid UTF-8")
	}
	if err := d.event(r); err != nil {
		return fmt.Errorf("encode: the event is not in canonical form at byte %d: %w", d.at, err)
	}
	return nil
}

func (d *decoder) event(r *row) (err error) {
	if err := d.literal(`{"seq":`); err != nil {
		return err
	}
	if r.seq, err = d.number(&r.cells[colSeq]); err != nil {
		return err
	}
	if r.recordedAt, err = d.timestamp(`,"recorded_at":`, &r.cells[colRecordedAt]); err != nil {
		return err
	}
	if err := d.required(`,"id":`, &r.cells[colID]); err != nil {
		return err
	}
	if r.occurredAt, err = d.timestamp(`,"occurred_at":`, &r.cells[colOccurredAt]); err != nil {
		return err
	}
	if err := d.required(`,"action":`, &r.cells[colAction]); err != nil {
		return err
	}
	if err := d.actor(&r.cells); err != nil {
		return err
	}
	if err := d.targets(&r.cells[colTargets]); err != nil {
		return err
	}
	if err := d.required(`,"outcome":`, &r.cells[colOutcome]); err != nil {
		return err
	}
	if err := d.optional(`,"reason":`, &r.cells[colReason]); err != nil {
		return err
	}
	if err := d.context(&r.cells); err != nil {
		return err
	}
	if err := d.metadata(&r.cells[colMetadata]); err != nil {
		return err
	}
	if err := d.literal(`}`); err != nil {
		return err
	}
	if d.at != len(d.body) {
		return errors.New("it should end here")
	}
	return nil
}

func (d *decoder) actor(cells *[columnCount][]byte) error {
	if err := d.literal(`,"actor":{`); err != nil {
		return err
	}
	if d.has(`"type":`) {
		if err := d.text(&cells[colActorType], true); err != nil {
			return err
		}
		if err := d.literal(`,`); err != nil {
			return err
		}
	}
	if err := d.required(`"id":`, &cells[colActorID]); err != nil {
		return err
	}
	if err := d.optional(`,"name":`, &cells[colActorName]); err != nil {
		return err
	}
	if err := d.optional(`,"email":`, &cells[colActorEmail]); err != nil {
		return err
	}
	return d.literal(`}`)
}

// context accepts one without members, which a product may send.
func (d *decoder) context(cells *[columnCount][]byte) error {
	if !d.has(`,"context":{`) {
		return nil
	}
	first := true
	for _, member := range [...]struct {
		name string // as one that follows another
		to   column
	}{
		{`,"ip":`, colContextIP},
		{`,"user_agent":`, colContextUserAgent},
		{`,"request_id":`, colContextRequestID},
		{`,"session_id":`, colContextSessionID},
	} {
		name := member.name
		if first {
			name = name[1:]
		}
		if !d.has(name) {
			continue
		}
		first = false
		if err := d.text(&cells[member.to], true); err != nil {
			return err
		}
	}
	return d.literal(`}`)
}

// targets takes the whole array, and looks at it only to find its end.
func (d *decoder) targets(cell *[]byte) error {
	if !d.has(`,"targets":`) {
		return nil
	}
	start := d.at
	if err := d.literal(`[`); err != nil {
		return err
	}
	for {
		if err := d.target(); err != nil {
			return err
		}
		if !d.has(`,`) {
			break
		}
	}
	if err := d.literal(`]`); err != nil {
		return err
	}
	*cell = d.body[start:d.at]
	return nil
}

func (d *decoder) target() error {
	if err := d.literal(`{`); err != nil {
		return err
	}
	var ignored []byte
	if d.has(`"type":`) {
		if err := d.text(&ignored, true); err != nil {
			return err
		}
		if err := d.literal(`,`); err != nil {
			return err
		}
	}
	if err := d.required(`"id":`, &ignored); err != nil {
		return err
	}
	if err := d.optional(`,"name":`, &ignored); err != nil {
		return err
	}
	return d.literal(`}`)
}

// metadata is the last member: all that is left but the event's own end. That
// it is one JSON object and nothing else is looked at by a real parser.
func (d *decoder) metadata(cell *[]byte) error {
	if !d.has(`,"metadata":`) {
		return nil
	}
	end := len(d.body) - 1
	if end <= d.at || d.body[d.at] != '{' {
		return errors.New("metadata has to be an object")
	}
	value := jsontext.Value(d.body[d.at:end])
	// schemas.DecodeEvent is stricter, but what it once let in is exported as
	// it is: members named twice, half a surrogate pair.
	if !value.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
		return errors.New("metadata has to be valid JSON up to the end of the event")
	}
	*cell = value
	d.at = end
	return nil
}

func (d *decoder) required(name string, cell *[]byte) error {
	if err := d.literal(name); err != nil {
		return err
	}
	return d.text(cell, false)
}

func (d *decoder) optional(name string, cell *[]byte) error {
	if !d.has(name) {
		return nil
	}
	return d.text(cell, true)
}

// has moves on if literal comes next.
func (d *decoder) has(literal string) bool {
	if len(d.body)-d.at < len(literal) || string(d.body[d.at:d.at+len(literal)]) != literal {
		return false
	}
	d.at += len(literal)
	return true
}

func (d *decoder) literal(literal string) error {
	if !d.has(literal) {
		return fmt.Errorf("%s should come here", literal)
	}
	return nil
}

func (d *decoder) number(cell *[]byte) (n int64, err error) {
	start := d.at
	for ; d.at < len(d.body) && '0' <= d.body[d.at] && d.body[d.at] <= '9'; d.at++ {
		digit := int64(d.body[d.at] - '0')
		if n > (math.MaxInt64-digit)/10 {
			return 0, errors.New("the number does not fit into 64 bits")
		}
		n = n*10 + digit
	}
	*cell = d.body[start:d.at]
	if len(*cell) == 0 || (len(*cell) > 1 && d.body[start] == '0') {
		return 0, errors.New("a number should stand here")
	}
	return n, nil
}

// timestamp reads a time in UTC.
func (d *decoder) timestamp(name string, cell *[]byte) (t time.Time, err error) {
	if err := d.required(name, cell); err != nil {
		return t, err
	}
	if !bytes.HasSuffix(*cell, []byte("Z")) {
		return t, errors.New("the time before should end with Z")
	}
	if err := t.UnmarshalText(*cell); err != nil {
		return t, errors.New("an RFC 3339 time should stand before this")
	}
	return t, nil
}

// text reads a string. nonempty refuses "", which a row could not tell from an
// absent member and which Canonical leaves out.
func (d *decoder) text(cell *[]byte, nonempty bool) error {
	if err := d.literal(`"`); err != nil {
		return err
	}
	text := d.body[d.at:] // and more: its end is to be found
	end := plain(text)
	escaped := end < len(text) && text[end] == '\\'
	for end < len(text) && text[end] == '\\' {
		// What follows is no end; whether it is an escape is seen below.
		end = min(end+2, len(text))
		end += plain(text[end:])
	}
	if end == len(text) || text[end] != '"' {
		d.at += end
		return errors.New("a string should end here, or a control character be escaped")
	}
	if nonempty && end == 0 {
		return errors.New("a string is empty that should be left out then")
	}
	d.at += end + 1
	*cell = text[:end:end]
	if !escaped {
		return nil
	}
	return d.unescape(cell, d.body[d.at-end-2:d.at])
}

// plain is how many bytes come before a quote, a backslash or a control
// character.
func plain(text []byte) int {
	for i, c := range text {
		if c == '"' || c == '\\' || c < ' ' {
			return i
		}
	}
	return len(text)
}

var (
	nul       = []byte{0}
	nulSymbol = []byte("\u2400")
)

// unescape gives quoted without quotes and escapes.
func (d *decoder) unescape(cell *[]byte, quoted []byte) error {
	start := len(d.scratch)
	scratch, err := jsontext.AppendUnquote(d.scratch, quoted)
	if err != nil {
		return errors.New("the string before holds what is no escape")
	}
	d.scratch = scratch
	*cell = d.scratch[start:len(d.scratch):len(d.scratch)]
	if bytes.IndexByte(*cell, 0) >= 0 {
		*cell = bytes.ReplaceAll(*cell, nul, nulSymbol)
	}
	return nil
}
