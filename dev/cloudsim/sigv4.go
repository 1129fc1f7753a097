package cloudsim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
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

// verify signs the same request with the secret and compares.
func (s signature) verify(ctx context.Context, r *http.Request, body []byte, secret string) error {
	if skew := time.Since(s.time).Abs(); skew > maxClockSkew {
		return fmt.Errorf("signature is off by %s", skew.Round(time.Second))
	}
	// The request is signed and compared, and never sent.
	again, err := http.NewRequestWithContext(ctx, r.Method, "http://"+r.Host+r.URL.RequestURI(), bytes.NewReader(body)) // #nosec G704 -- see above
	if err != nil {
		return err
	}
	again.ContentLength = 0 // signed only if the caller signed it
	for _, name := range s.signedHeaders {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = int64(len(body))
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	err = v4.NewSigner().SignHTTP(ctx, aws.Credentials{AccessKeyID: s.accessKeyID, SecretAccessKey: secret},
		again, sha256Hex(body), s.service, s.region, s.time)
	if err != nil {
		return err
	}
	if !hmac.Equal([]byte(again.Header.Get("Authorization")), []byte(s.header)) {
		return errors.New("the request signature we calculated does not match the signature you provided")
	}
	return nil
}

func sha256Hex(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
