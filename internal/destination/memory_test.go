package destination_test

import (
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/destination/destinationtest"
	"github.com/auditferry/auditferry/schemas"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	destinationtest.Run(t, memoryPlace)
}

func memoryPlace(t *testing.T) destinationtest.Place {
	t.Helper()
	at := schemas.Destination{Cloud: schemas.AWS, Bucket: "acme-audit", Prefix: "audit/logs"}
	cloud := destination.NewMemory(at)
	cloud.SetOwner(at, "210987654321")
	open := func(m *destination.Memory, d schemas.Destination) func(*testing.T) destination.Destination {
		return func(t *testing.T) destination.Destination {
			t.Helper()
			opened, err := m.Open(t.Context(), destination.Target{Destination: d})
			require.NoError(t, err)
			return opened
		}
	}
	refusing := func(ops ...string) func(*testing.T) destination.Destination {
		return func(t *testing.T) destination.Destination {
			t.Helper()
			cloud.Before(func(r destination.Request) error {
				if slices.Contains(ops, r.Op) {
					return destination.Refusal(schemas.KindDenied, "AccessDenied")
				}
				return nil
			})
			return open(cloud, at)(t)
		}
	}
	return destinationtest.Place{
		Destination: at,
		Owner:       "210987654321",
		Changed: func(t *testing.T) destination.Destination {
			t.Helper()
			opened, err := cloud.Open(t.Context(), destination.Target{Destination: at, Owner: "123456789012"})
			require.NoError(t, err)
			return opened
		},
		Open:        open(cloud, at),
		Denied:      refusing("authenticate", "put", "list", "delete"),
		Undeletable: refusing("delete"),
		Missing: func(t *testing.T) destination.Destination {
			t.Helper()
			return open(destination.NewMemory(), at)(t)
		},
		LoseResponse: func(*testing.T) {
			var lost atomic.Bool
			cloud.After(func(r destination.Request) error {
				if r.Op == "put" && lost.CompareAndSwap(false, true) {
					return destination.Refusal(schemas.KindUnavailable, "")
				}
				return nil
			})
		},
		Read: func(_ *testing.T, key string) []byte { return cloud.Objects(at)[key] },
		Keys: func(*testing.T) []string {
			var keys []string
			for key := range cloud.Objects(at) {
				keys = append(keys, key)
			}
			return keys
		},
		Store: func(_ *testing.T, key string, content []byte) { cloud.Store(at, key, content) },
	}
}

func TestMemoryOwnsBucketsByDefault(t *testing.T) {
	t.Parallel()
	at := schemas.Destination{Cloud: schemas.AWS, Bucket: "acme-audit"}
	d, err := destination.NewMemory(at).Open(t.Context(), destination.Target{Destination: at, Owner: "123456789012"})
	require.NoError(t, err)
	require.NoError(t, d.Put(t.Context(), "part", destinationtest.NewObject([]byte("x"))))
	report, err := d.Probe(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, "123456789012", report.Owner)
	var steps []schemas.Step
	for _, step := range report.Steps {
		steps = append(steps, step.Name)
	}
	require.Equal(t, []schemas.Step{schemas.StepAuthenticate, schemas.StepOwner, schemas.StepWrite, schemas.StepList, schemas.StepDelete}, steps)
}
