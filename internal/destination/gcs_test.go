package destination_test

import (
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/cloudsim"
	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/destination/destinationtest"
	"github.com/auditferry/auditferry/schemas"
)

func gcpTarget(at schemas.Destination) destination.Target {
	return destination.Target{
		Destination: at,
		Credentials: schemas.Credentials{GCP: &schemas.GCPCredentials{ServiceAccount: serviceAccount}},
	}
}

// gcpBucket is a bucket that the service account is bound to with these
// permissions, if any.
func (l lab) gcpBucket(t *testing.T, permissions []string) schemas.Destination {
	t.Helper()
	at := schemas.Destination{Cloud: schemas.GCP, Bucket: unique("acme"), Prefix: "audit/logs"}
	require.NoError(t, l.stores.CreateBucket(t.Context(), at))
	l.bind(t, at, permissions)
	return at
}

func (l lab) bind(t *testing.T, at schemas.Destination, permissions []string) {
	t.Helper()
	member := "serviceAccount:" + serviceAccount
	if len(permissions) == 0 {
		require.NoError(t, l.clouds.Unbind(at.Bucket, member))
		return
	}
	require.NoError(t, l.clouds.BindServiceAccount(at.Bucket, member, permissions, 0))
}

func TestGCS(t *testing.T) {
	t.Parallel()
	l := openLab(t)
	destinationtest.Run(t, func(t *testing.T) destinationtest.Place {
		at := l.gcpBucket(t, cloudsim.GCPExportPermissions())
		missing := at
		missing.Bucket = unique("missing")
		network := &flaky{}
		o := l.opener(t, network, nil)
		// There is one service account, so what it may do is changed instead.
		opening := func(permissions []string) func(*testing.T) destination.Destination {
			return func(t *testing.T) destination.Destination {
				t.Helper()
				l.bind(t, at, permissions)
				return open(o, gcpTarget(at))(t)
			}
		}
		return destinationtest.Place{
			Destination:  at,
			Owner:        cloudsim.DefaultBucketProject,
			Changed:      open(o, pinned(gcpTarget(at), "200000000002")),
			Open:         opening(cloudsim.GCPExportPermissions()),
			Denied:       opening(nil),
			Undeletable:  opening([]string{"storage.objects.create", "storage.objects.list", "storage.buckets.get"}),
			Missing:      open(o, gcpTarget(missing)),
			LoseResponse: func(*testing.T) { network.lose.Store(1) },
			Read:         l.read(at), Keys: l.keys(at), Store: l.store(at),
		}
	})
}

func TestGCSProbeNamesTheMissingPermission(t *testing.T) {
	t.Parallel()
	l := openLab(t)
	o := l.opener(t, &flaky{}, nil)
	tests := map[string]struct {
		permissions []string
		step        schemas.Step
	}{
		"storage.buckets.get":    {nil, "owner"},
		"storage.objects.create": {[]string{"storage.buckets.get"}, "write"},
		"storage.objects.list":   {[]string{"storage.buckets.get", "storage.objects.create"}, "list"},
	}
	for permission, test := range tests {
		t.Run(permission, func(t *testing.T) {
			t.Parallel()
			report, err := open(o, gcpTarget(l.gcpBucket(t, test.permissions)))(t).Probe(t.Context(), nil)
			require.NoError(t, err)
			failure, _ := report.Failure()
			require.Equal(t, test.step, failure.Name, "%+v", report)
			require.Equal(t, schemas.KindDenied, failure.Kind)
			require.Equal(t, "forbidden", failure.Code)
			require.Contains(t, failure.Explanation, permission)
		})
	}
}

// Invariant 6: a bucket that another project has made under the old name gets
// nothing, and gets asked about once.
func TestGCSLooksTheOwnerUpOnce(t *testing.T) {
	t.Parallel()
	l := openLab(t)
	at := l.gcpBucket(t, cloudsim.GCPExportPermissions())
	d := open(l.opener(t, &flaky{}, nil), pinned(gcpTarget(at), cloudsim.DefaultBucketProject))(t)
	var group sync.WaitGroup
	for i := range 5 {
		group.Go(func() {
			assert.NoError(t, d.Put(t.Context(), at.Key(strconv.Itoa(i)), destinationtest.NewObject([]byte("x"))))
		})
	}
	group.Wait()
	asked := map[string]int{}
	for _, r := range l.clouds.Requests() {
		if strings.Contains(r.Resource, at.Bucket) {
			asked[r.Permission]++
		}
	}
	require.Equal(t, map[string]int{"storage.buckets.get": 1, "storage.objects.create": 5}, asked)

	require.NoError(t, l.clouds.SetBucketProject(at.Bucket, "200000000002"))
	d = open(l.opener(t, &flaky{}, nil), pinned(gcpTarget(at), cloudsim.DefaultBucketProject))(t)
	err := d.Put(t.Context(), at.Key("late"), destinationtest.NewObject([]byte("x")))
	require.Equal(t, schemas.CodeOwnerChanged, destination.CodeOf(err), "%v", err)
	require.Len(t, l.keys(at)(t), 5)
}
