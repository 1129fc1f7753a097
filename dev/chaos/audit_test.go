package chaos

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/schemas"
)

var bucket = schemas.Destination{Cloud: schemas.AWS, Bucket: "org1-audit", Prefix: "audit"}

// stage has one real store, and nothing of the product.
func stage(t *testing.T) *play {
	t.Helper()
	s, err := stack.Start(t.Context(), stack.Options{Services: []stack.Service{stack.S3}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	require.NoError(t, s.CreateBucket(t.Context(), bucket))
	return &play{stack: s}
}

// rows are events with the seqs and markers from first to last.
func rows(org string, first, last int64) []byte {
	var out bytes.Buffer
	for n := first; n <= last; n++ {
		_, _ = fmt.Fprintf(&out, `{"seq":%d,"action":"a","context":{"request_id":%q}}`+"\n", n, marker(org, n))
	}
	return out.Bytes()
}

// store puts an object and returns what an honest ledger would list of it.
func (p *play) store(t *testing.T, name string, first, last int64, plain []byte) schemas.Object {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(plain)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	key := bucket.Key(name + ".ndjson.gz")
	require.NoError(t, p.stack.PutObject(t.Context(), bucket, key, packed.Bytes()))
	sum := sha256.Sum256(packed.Bytes())
	return schemas.Object{
		Key: key, FirstSeq: first, LastSeq: last, Rows: last - first + 1,
		Bytes: int64(packed.Len()), SHA256: hex.EncodeToString(sum[:]),
	}
}

// The auditor finds each thing that chaos is about; one that could not would
// prove nothing.
func TestTheAuditorFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	p := stage(t)
	whole := p.store(t, "whole", 1, 9, rows("org1", 1, 9))
	count := func(t *testing.T, objects ...schemas.Object) (lost, doubled int) {
		t.Helper()
		counted := newTally("org1", 9)
		for _, object := range objects {
			require.NoError(t, p.read(t.Context(), bucket, object, counted))
		}
		return counted.sum()
	}
	t.Run("nothing is wrong", func(t *testing.T) {
		lost, doubled := count(t, whole)
		require.Zero(t, lost)
		require.Zero(t, doubled)
	})
	t.Run("events are lost", func(t *testing.T) {
		lost, doubled := count(t, p.store(t, "short", 1, 6, rows("org1", 1, 6)))
		require.Equal(t, 3, lost)
		require.Zero(t, doubled)
	})
	t.Run("events are delivered twice", func(t *testing.T) {
		lost, doubled := count(t, whole, p.store(t, "again", 4, 6, rows("org1", 4, 6)))
		require.Zero(t, lost)
		require.Equal(t, 3, doubled)
	})
	t.Run("events of another org", func(t *testing.T) {
		_, doubled := count(t, whole, p.store(t, "foreign", 10, 11, rows("org2", 10, 11)))
		require.Equal(t, 2, doubled)
	})
	t.Run("events that nobody has reported", func(t *testing.T) {
		_, doubled := count(t, p.store(t, "invented", 1, 12, rows("org1", 1, 12)))
		require.Equal(t, 3, doubled)
	})
	for name, change := range map[string]func(*schemas.Object){
		"an object is missing":   func(o *schemas.Object) { o.Key += ".gone" },
		"it has other bytes":     func(o *schemas.Object) { o.SHA256 = hex.EncodeToString(make([]byte, 32)) },
		"it is shorter":          func(o *schemas.Object) { o.Bytes++ },
		"it begins with another": func(o *schemas.Object) { o.FirstSeq++ },
		"it ends with another":   func(o *schemas.Object) { o.LastSeq++ },
	} {
		t.Run(name, func(t *testing.T) {
			wrong := whole
			change(&wrong)
			require.Error(t, p.read(t.Context(), bucket, wrong, newTally("org1", 9)))
		})
	}
}

func TestObjectsMustFollowEachOther(t *testing.T) {
	t.Parallel()
	ranges := func(bounds ...int64) (objects []schemas.Object) {
		for i := 0; i < len(bounds); i += 2 {
			objects = append(objects, schemas.Object{Key: "k", FirstSeq: bounds[i], LastSeq: bounds[i+1]})
		}
		return objects
	}
	require.Empty(t, chain(nil, 0))
	require.Empty(t, chain(ranges(1, 3, 4, 9), 9))
	require.Equal(t, "k begins with seq 5, not 4", chain(ranges(1, 3, 5, 9), 9))
	require.Equal(t, "k begins with seq 3, not 4", chain(ranges(1, 3, 3, 9), 9))
	require.Equal(t, "k begins with seq 2, not 1", chain(ranges(2, 3), 3))
	require.Equal(t, "the objects end with seq 3, the export says 9", chain(ranges(1, 3), 9))
}

// A second mail is excused only by something that fell between its first
// sending and the recording of that.
func TestDoubledMailsNeedAReason(t *testing.T) {
	t.Parallel()
	sent := time.Now().Add(-time.Hour)
	mail := func(id, messageID string, at time.Time) (c caught) {
		c.ID, c.Time, c.Subject = id, at, "Access verified"
		c.Headers.MessageID = messageID
		return c
	}
	box := mailbox{mails: []caught{
		mail("1", "a", sent), mail("2", "a", sent.Add(time.Minute)), mail("3", "b", sent),
	}}
	for name, test := range map[string]struct {
		hit         string
		from        time.Duration
		lasts       time.Duration
		unexplained int
	}{
		"a kill right after it":            {"worker", time.Second, time.Second, 0},
		"a cut that lasted":                {"worker-mail", -time.Minute, 61 * time.Second, 0},
		"a kill long before":               {"worker", -time.Minute, time.Second, 1},
		"a kill long after":                {"temporal", 30 * time.Second, time.Second, 1},
		"a kill of what has no part in it": {"azurite", time.Second, time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := sent.Add(test.from)
			j := &journal{all: []*disruption{{kind: "kill", what: test.hit, hits: []string{test.hit}, from: from, to: from.Add(test.lasts)}}}
			doubled, unexplained, _ := box.doubled(j)
			require.Equal(t, 1, doubled)
			require.Equal(t, test.unexplained, unexplained)
		})
	}
}

// Whatever is wrong, the result does not say that all is well.
func TestResultsAreNotBetterThanTheirParts(t *testing.T) {
	t.Parallel()
	var clean Result
	clean.conclude(time.Second)
	require.True(t, clean.OK)
	for name, wrong := range map[string]Result{
		"lost":       {Lost: 1},
		"doubled":    {Doubled: 1},
		"unlisted":   {Unlisted: 1},
		"operations": {OperationsOpen: 1},
		"mails":      {MailsUnexplained: 1},
		"failures":   {Failures: []string{"not settled"}},
	} {
		wrong.conclude(time.Second)
		require.False(t, wrong.OK, name)
	}
}
