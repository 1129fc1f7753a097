package cloudsim

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	amzDate = "20060102T150405Z"
	// maxClockSkew is how far a request's date may be off, as AWS has it.
	maxClockSkew = 15 * time.Minute
)

// signature is a request's Authorization header, taken apart.
type signature struct {
	accessKeyID   string
	region        string
	service       string
	signedHeaders []string
	time          time.Time
	header        string
}

var errNoSignature = errors.New("the request has no AWS Signature Version 4")

func parseSignature(r *http.Request) (signature, error) {
	header := r.Header.Get("Authorization")
	fields, isV4 := strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	if !isV4 {
		return signature{}, errNoSignature
	}
	s := signature{header: header}
	for field := range strings.SplitSeq(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Credential":
			scope := strings.Split(value, "/") // key/date/region/service/aws4_request
			if len(scope) != 5 {
				return signature{}, errNoSignature
			}
			s.accessKeyID, s.region, s.service = scope[0], scope[2], scope[3]
		case "SignedHeaders":
			s.signedHeaders = strings.Split(value, ";")
		}
	}
	var err error
	if s.time, err = time.Parse(amzDate, r.Header.Get("X-Amz-Date")); err != nil || s.accessKeyID == "" {
		return signature{}, errNoSignature
	}
	return s, nil
}

// verify signs the same request with the secret and compares. The hash is the
// payload's, or what the service takes in its place.
func (s signature) verify(ctx context.Context, r *http.Request, payloadHash, secret string) error {
	if skew := time.Since(s.time).Abs(); skew > maxClockSkew {
		return fmt.Errorf("signature is off by %s", skew.Round(time.Second))
	}
	header, err := s.sign(ctx, r, payloadHash, secret)
	if err != nil {
		return err
	}
	if !hmac.Equal([]byte(header), []byte(s.header)) {
		return errors.New("the request signature we calculated does not match the signature you provided")
	}
	return nil
}

// without is the signature over one header less.
func (s signature) without(name string) signature {
	s.signedHeaders = slices.DeleteFunc(slices.Clone(s.signedHeaders), func(signed string) bool { return strings.EqualFold(signed, name) })
	return s
}

// sign makes the Authorization header over the headers of s.
func (s signature) sign(ctx context.Context, r *http.Request, payloadHash, secret string) (string, error) {
	// This copy is signed and never sent.
	again, err := http.NewRequestWithContext(ctx, r.Method, "http://"+r.Host+r.URL.RequestURI(), nil) // #nosec G704 -- see above
	if err != nil {
		return "", err
	}
	for _, name := range s.signedHeaders {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	err = v4.NewSigner().SignHTTP(ctx, aws.Credentials{AccessKeyID: s.accessKeyID, SecretAccessKey: secret},
		again, payloadHash, s.service, s.region, s.time, func(o *v4.SignerOptions) {
			o.DisableURIPathEscaping = s.service == "s3" // whose paths are signed as they are sent
		})
	return again.Header.Get("Authorization"), err
}

func sha256Hex(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
