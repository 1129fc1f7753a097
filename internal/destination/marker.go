package destination

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // the clouds compare MD5; SHA-256 is sent beside it where they take it
	"crypto/sha256"

	"github.com/auditferry/auditferry/schemas"
)

// ownFolder is where markers are put, below the prefix. Their keys are fixed,
// so that nothing piles up where deleting is refused.
const ownFolder = "_auditferry"

// marker is a small object of the service's own.
func marker(text string) Object {
	content := []byte(text)
	return Object{
		Body:        bytes.NewReader(content),
		Size:        int64(len(content)),
		MD5:         md5.Sum(content), //nolint:gosec // see the import
		SHA256:      sha256.Sum256(content),
		ContentType: "text/plain; charset=utf-8",
	}
}

// writeMarker creates a marker just as exports create objects. One that could
// not be deleted earlier is replaced, so that something is written in any case;
// if only that is refused, creating would still have been allowed. It returns
// the driver's error.
func (s *store) writeMarker(ctx context.Context, key, text string) error {
	err := s.putMarker(ctx, key, text, true)
	if err == nil || !s.driver.sort(schemas.StepWrite, err).present {
		return err
	}
	err = s.putMarker(ctx, key, text, false)
	if err == nil {
		return nil
	}
	if v := s.driver.sort(schemas.StepWrite, err); v.present || v.kind == schemas.KindDenied {
		return nil
	}
	return err
}

func (s *store) putMarker(ctx context.Context, key, text string, createOnly bool) error {
	content := marker(text)
	return s.driver.put(ctx, key, content.Body, content, createOnly)
}

const etagText = "Auditferry finds out with this object how the bucket names contents. It may be deleted.\n"

// etagsAreHashes finds out, once, whether this bucket lists the MD5 of an
// object: S3 does so unless the bucket encrypts with KMS, which nobody may ask
// it under the admin's policy. So a marker of known bytes is written, listed
// and deleted.
func (s *store) etagsAreHashes(ctx context.Context) (bool, error) {
	s.etags.Lock()
	defer s.etags.Unlock()
	if s.etags.asked {
		return s.etags.hashes, nil
	}
	key := s.at.Key(ownFolder + "/etag-check")
	if err := s.writeMarker(ctx, key, etagText); err != nil {
		return false, s.fail(ctx, "put", key, err)
	}
	there, err := s.driver.stat(ctx, key)
	if err != nil {
		return false, s.fail(ctx, "list", key, err)
	}
	if !there.found {
		return false, &Error{Kind: schemas.KindUnavailable, Op: "list", Place: s.at.URL(), Key: key,
			Message: "another worker has removed the marker meanwhile"}
	}
	known := md5.Sum([]byte(etagText)) //nolint:gosec // see the import
	s.etags.asked, s.etags.hashes = true, bytes.Equal(there.md5, known[:])
	if err := s.driver.remove(ctx, key); err != nil && s.driver.sort(schemas.StepDelete, err).kind != schemas.KindDenied {
		return false, s.fail(ctx, "delete", key, err)
	}
	return s.etags.hashes, nil
}
