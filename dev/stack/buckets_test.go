package stack_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/schemas"
)

// What is put into a store comes back by listing and by reading, for every
// cloud and with keys as the product makes them.
func TestBuckets(t *testing.T) {
	t.Parallel()
	s := start(t, stack.S3, stack.Azurite, stack.GCS)
	for _, url := range []string{
		"s3://acme-audit/logs/", "azure://acmeaudit.blob.core.windows.net/acme-audit/logs/", "gs://acme-audit/logs/",
	} {
		t.Run(url[:2], func(t *testing.T) {
			t.Parallel()
			d, err := schemas.ParseDestination(url)
			require.NoError(t, err)
			require.NoError(t, s.CreateBucket(t.Context(), d))
			require.NoError(t, s.CreateBucket(t.Context(), d), "a second time changes nothing")
			empty, err := s.Objects(t.Context(), d)
			require.NoError(t, err)
			require.Empty(t, empty)

			const key = "logs/date=2026-01-02/hour=03/all events-000000000001-000000000002.ndjson.gz"
			require.NoError(t, s.PutObject(t.Context(), d, key, []byte("some bytes")))
			require.NoError(t, s.PutObject(t.Context(), d, "elsewhere", []byte("not in the folder")))
			objects, err := s.Objects(t.Context(), d)
			require.NoError(t, err)
			require.Equal(t, []stack.StoredObject{{Key: key, Size: 10}}, objects)
			data, err := s.ReadObject(t.Context(), d, key)
			require.NoError(t, err)
			require.Equal(t, "some bytes", string(data))
			_, err = s.ReadObject(t.Context(), d, "logs/missing")
			require.Error(t, err)
		})
	}
}
