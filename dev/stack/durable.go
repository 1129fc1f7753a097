package stack

import (
	_ "embed" // for azurite_durable.cjs
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// What a kill -9 does to the servers of a durable stack, read in their code and
// tried by TestAcknowledgedWritesOutliveAKill:
//
//   - Postgres, with fsync and full_page_writes on, keeps what it committed.
//   - Temporal's development server keeps what its SQLite file has taken in.
//   - versitygw fills a file without a name, attributes included, and links it
//     into the bucket as its last step: an object is whole or not there.
//   - Azurite keeps the metadata of all blobs in memory and saves it every five
//     seconds. It would forget blobs that it has acknowledged, which Azure does
//     not, so azurite_durable.cjs makes it save before it answers.
//   - fake-gcs-server renames an object into place and then adds its metadata. A
//     kill in between, or while it still writes its temporary file, leaves a
//     file that it does not call an object and whose bucket it cannot list any
//     more. Cloud Storage never shows such a thing, so the files are removed
//     before the next start: nothing without metadata was ever acknowledged.
//   - maildev keeps mails as files, and reads them again.

//go:embed azurite_durable.cjs
var azuriteDurable []byte

// durableAzurite writes the script that node has to load before Azurite.
func (s *Stack) durableAzurite() (string, error) {
	script := filepath.Join(s.dir, "azurite_durable.cjs")
	if err := os.WriteFile(script, azuriteDurable, 0o600); err != nil {
		return "", fmt.Errorf("write the script for Azurite: %w", err)
	}
	return script, nil
}

// gcsAttribute is where fake-gcs-server keeps an object's metadata.
const gcsAttribute = "user.metadata"

// sweepGCS removes the files in the buckets below root that are no objects.
func sweepGCS(root string) error {
	buckets, err := os.ReadDir(root)
	if err != nil {
		return fmt.Errorf("look for half-written objects: %w", err)
	}
	for _, bucket := range buckets {
		if !bucket.IsDir() {
			continue // a bucket's own metadata
		}
		err := filepath.WalkDir(filepath.Join(root, bucket.Name()), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			whole, err := hasAttribute(path, gcsAttribute)
			if err != nil || whole {
				return err
			}
			return os.Remove(path)
		})
		if err != nil {
			return fmt.Errorf("remove half-written objects: %w", err)
		}
	}
	return nil
}
