package main

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/internal/manifest/manifesttest"
	"github.com/auditferry/auditferry/schemas"
)

var (
	theLab = sync.OnceValues(func() (*stack.Stack, error) {
		return stack.Start(context.Background(), stack.Options{Services: stack.Stores(), Log: os.Stderr})
	})
	labAsked atomic.Bool
)

// stopLab stops the stores, if a test has started them.
func stopLab() error {
	if !labAsked.Load() {
		return nil
	}
	stores, err := theLab()
	if err != nil {
		return nil // the test has reported it
	}
	return stores.Stop()
}

// cloud is one of the stores, and how the command reaches it.
type cloud struct {
	destination schemas.Destination
	flags       []string
	variables   []string
	lacking     []string // variables of somebody who may not read
}

func clouds(stores *stack.Stack) map[string]cloud {
	name := "acme-" + strings.ToLower(rand.Text())[:12]
	return map[string]cloud{
		"s3": {
			schemas.Destination{Cloud: schemas.AWS, Bucket: name, Prefix: "audit/logs"},
			[]string{"--s3-endpoint", stores.S3.Endpoint},
			[]string{"AWS_ACCESS_KEY_ID=" + stores.S3.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + stores.S3.SecretAccessKey, "AWS_REGION=" + stores.S3.Region},
			[]string{"AWS_ACCESS_KEY_ID=" + stores.S3.AccessKeyID, "AWS_SECRET_ACCESS_KEY=wrong"},
		},
		"azure": {
			schemas.Destination{Cloud: schemas.Azure, Account: "acmeaudit", Bucket: name, Prefix: "audit/logs"},
			[]string{"--azure-endpoint", stores.Azurite.Endpoint + "/{account}"},
			[]string{"AZURE_STORAGE_KEY=" + stores.Azurite.Accounts["acmeaudit"]},
			[]string{"AZURE_STORAGE_KEY=" + stores.Azurite.Accounts["acmearchive"]},
		},
		"gcs": {
			schemas.Destination{Cloud: schemas.GCP, Bucket: name, Prefix: "audit/logs"},
			[]string{"--gcs-endpoint", stores.GCS.Endpoint}, nil,
			nil, // the emulator lets everybody in
		},
	}
}

// The command reads each cloud as it reads a disk, and finds there what is
// wrong. Objects beside the folder are not its matter.
func TestVerifyClouds(t *testing.T) {
	t.Parallel()
	labAsked.Store(true)
	stores, err := theLab()
	require.NoError(t, err)
	for name, c := range clouds(stores) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, stores.CreateBucket(t.Context(), c.destination))
			d := manifesttest.New(t, manifesttest.Store{})
			d.Destination = c.destination
			d.Window(t, parts...)
			d.Format, d.Compression = schemas.FormatParquet, schemas.CompressionSnappy
			d.Window(t, parts...)
			put := func(key string, content []byte) {
				t.Helper()
				require.NoError(t, stores.PutObject(t.Context(), c.destination, key, content))
			}
			for key, content := range d.Store {
				put(c.destination.Key(key), content)
			}
			put("audit/logs2/beside", []byte("x"))
			_, keys := onDisk(t, d.Store)
			verify := func(source string, variables []string) outcome {
				return auditferry(t, variables, append([]string{"verify", "--keys", keys, source}, c.flags...)...)
			}

			o := verify(c.destination.URL(), c.variables)
			require.Zero(t, o.status, "%s%s", o.out, o.err)
			require.Contains(t, o.out, "50 events in 6 objects")
			require.NotContains(t, o.out, "elsewhere")
			require.Empty(t, o.err)

			above := c.destination
			above.Prefix = ""
			o = verify(above.URL(), c.variables)
			require.Zero(t, o.status, "%s%s", o.out, o.err)
			require.Contains(t, o.out, "audit/logs/")

			tampered := withSuffix(d.Store, "-000000000010.ndjson.gz")
			put(c.destination.Key(tampered), flipped(d.Store[tampered]))
			put(c.destination.Key("added"), []byte("x"))
			o = verify(c.destination.URL(), c.variables)
			require.Equal(t, 4, o.status, o.err)
			require.Contains(t, o.out, "object_changed (1)\n    "+tampered)
			require.Contains(t, o.out, "unlisted_object (1)\n    added")

			missing := c.destination
			missing.Bucket += "-none"
			o = verify(missing.URL(), c.variables)
			require.Equal(t, 1, o.status)
			require.Empty(t, o.out)
			if c.lacking != nil {
				o = verify(c.destination.URL(), c.lacking)
				require.Equal(t, 1, o.status, o.out)
				require.Empty(t, o.out)
				require.NotContains(t, o.err, "wrong", "no secret is shown")
			}
		})
	}
}
