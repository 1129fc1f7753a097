package postgres_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// Whatever is accepted can be stored and comes out as it was made: Postgres
// must not refuse a batch for an event that the API has let in.
func TestAcceptedEventsAreStored(t *testing.T) {
	t.Parallel()
	b := setup(t)
	deep := schemas.MaxEventDepth - 2
	metadata := []string{
		`{}`, `{"n":1e400}`, `{"n":-0}`, `{"n":1.0}`, `{"n":-1E-400}`, `{"n":` + strings.Repeat("9", 60_000) + `}`,
		`{"a":` + strings.Repeat("[", deep) + strings.Repeat("]", deep) + `}`,
		`{"s":"\u0000\u001f\u007f\uffff\ud83d\ude00 \/ \u2028` + "\u2028\ufeff\uffff\U0010ffff" + `"}`,
		`{"":null,"a":1,"A":2,"\u0000":3}`, `{"s":"` + strings.Repeat(`\u0000`, 10_000) + `"}`,
		"{ \"a\" :\t[ 1 ,\r\n2 ] }",
	}
	var given []schemas.Event
	for _, m := range metadata {
		given = append(given, decode(t, m, "a", "u1"))
	}
	requireStored(t, b, given)

	rapid.Check(t, func(rt *rapid.T) {
		values := rapid.SliceOfN(jsonValue(4), 1, 20).Draw(rt, "values")
		batch := make([]schemas.Event, len(values))
		for i, value := range values {
			text := rapid.StringN(1, 40, 400)
			batch[i] = decode(rt, `{"v":`+value+`}`, text.Draw(rt, "action"), text.Draw(rt, "actor"))
		}
		requireStored(rt, b, batch)
	})
}

func decode(t require.TestingT, metadata, action, actor string) schemas.Event {
	quoted := func(text string) string {
		data, err := json.Marshal(text)
		require.NoError(t, err)
		return string(data)
	}
	e, err := schemas.DecodeEvent([]byte(`{"occurred_at":"2026-01-02T03:04:05.123456789Z","action":` + quoted(action) +
		`,"actor":{"id":` + quoted(actor) + `,"email":` + quoted(actor) + `},"metadata":` + metadata + `}`))
	require.NoError(t, err)
	return e
}

func requireStored(t require.TestingT, b bundle, given []schemas.Event) {
	var appended schemas.Appended
	require.NoError(t, b.try(func(tx *postgres.Tx) (err error) {
		appended, err = tx.AppendEvents(b.t.Context(), given)
		return err
	}))
	require.EqualValues(t, len(given), appended.LastSeq-appended.FirstSeq+1)
	next := 0
	_, err := b.CopyEvents(b.t.Context(), b.org, appended.FirstSeq, math.MaxInt64, everything, func(body []byte) error {
		want, err := given[next].Canonical(appended.FirstSeq+int64(next), appended.RecordedAt)
		require.NoError(t, err)
		require.Equal(t, string(want), string(body))
		next++
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, len(given), next)
}

// jsonValue draws JSON text as products write it, nested as many levels.
func jsonValue(levels int) *rapid.Generator[string] {
	text := rapid.Map(rapid.String(), func(s string) string {
		data, err := json.Marshal(s)
		if err != nil {
			panic(err)
		}
		return string(data)
	})
	number := rapid.StringMatching(`-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?`)
	leaf := rapid.OneOf(text, number, rapid.SampledFrom([]string{"null", "true", "false", "{}", "[]"}))
	if levels == 0 {
		return leaf
	}
	inner := jsonValue(levels - 1)
	array := rapid.Map(rapid.SliceOfN(inner, 0, 4), func(all []string) string { return "[" + strings.Join(all, ",") + "]" })
	object := rapid.Custom(func(t *rapid.T) string {
		var all []string
		for _, name := range rapid.SliceOfNDistinct(text, 0, 4, rapid.ID[string]).Draw(t, "names") {
			all = append(all, name+":"+inner.Draw(t, "value"))
		}
		return "{" + strings.Join(all, ",") + "}"
	})
	return rapid.OneOf(leaf, array, object)
}
