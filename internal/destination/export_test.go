package destination

import (
	"context"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"golang.org/x/oauth2"

	"github.com/auditferry/auditferry/schemas"
)

// SessionPolicy is what AssumeRole is given.
var SessionPolicy = sessionPolicy

// Rows names every row of a cloud's table, once for each of its codes.
func Rows(cloud schemas.Cloud) []string {
	var names []string
	for n, r := range tables[cloud] {
		for _, code := range append(r.codes, "")[:max(len(r.codes), 1)] {
			names = append(names, rowName(n, code))
		}
	}
	return names
}

// RowOf names the row that explains an answer, "" if none does.
func RowOf(cloud schemas.Cloud, tried schemas.Step, status int, code, words string) string {
	for n, r := range tables[cloud] {
		if !r.matches(answered{tried, status, code, words}) {
			continue
		}
		if len(r.codes) == 0 {
			code = ""
		}
		return rowName(n, code)
	}
	return ""
}

func rowName(n int, code string) string { return fmt.Sprintf("row %d, code %q", n, code) }

var tables = map[schemas.Cloud][]row{schemas.AWS: awsRows, schemas.Azure: azureRows, schemas.GCP: gcpRows}

// NewOpenerOver is NewOpener with connections of the test's choice.
func NewOpenerOver(ctx context.Context, cfg Config, transport http.RoundTripper) (*Opener, error) {
	o, err := NewOpener(ctx, cfg)
	if err != nil {
		return nil, err
	}
	o.http.Transport = transport
	o.aws.HTTPClient = o.http
	return o, nil
}

// BeSomebody gives the opener identities of its own, in place of those in the
// environment.
func (o *Opener) BeSomebody() {
	o.aws.Credentials = aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("AKIASERVICE", "secret", ""))
	o.google.source = oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "own"})
}
