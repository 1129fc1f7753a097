package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/manifest"
)

const verifyHelp = `Prove that a folder holds exactly what was delivered to it: that nothing is
missing, nothing is there twice and nothing was changed. All that is needed is
read access to the folder and the service's public keys.

Usage:
  auditferry verify --keys <URL or file> [flags] <source>

The source is the folder that an export delivers to, or any folder above it:
  s3://bucket/folder/                                      Amazon S3
  azure://account.blob.core.windows.net/container/folder/  Azure Blob Storage
  gs://bucket/folder/                                      Google Cloud Storage
  path/to/folder                                           a copy on this machine

Credentials are your own, from where each cloud's programs find them: the AWS
configuration and AWS_* variables; for Azure AZURE_STORAGE_KEY,
AZURE_STORAGE_SAS_TOKEN or a sign-in such as "az login"; for Google Cloud the
application default credentials. Listing and reading is all they have to allow.

Get the keys from the service itself, not from the folder: all that is proven
rests on them.

Examples:
  auditferry verify --keys https://audit.example.com/.well-known/jwks.json s3://acme-audit/logs/
  auditferry verify --keys jwks.json --through 1200000 --export 0190f5b0-6f0e-7c3a-9d55-2b1c4e8a7f10 gs://acme-audit/
  auditferry verify --keys jwks.json --json /backup/acme-audit > report.json

Exit statuses; if several fit, it is the smallest of those from 3 on:
  0  clean: everything that was delivered is here, whole, and nothing else is
  1  could not be verified, or not all of it: something could not be read
  2  the command was not understood
  3  a manifest or its signature is missing, changed or foreign
  4  an object is missing or was changed
  5  events are missing or doubled, or --through is not reached
  6  an object is here that no manifest lists, and that is not left over from a
     delivery which a manifest says was given up
  7  events expired before they could be delivered, and are lost

What cannot be seen from the folder: whether the newest deliveries were removed,
manifests and all. --through finds that, with a number from the service.
`

// verification is what the flags of verify say.
type verification struct {
	source  string
	keys    string
	asJSON  bool
	quiet   bool
	servers endpoints
	options manifest.Options
}

func runVerify(ctx context.Context, c console, args []string) error {
	v, err := parseVerify(c, args)
	if err != nil {
		return err
	}
	report, err := v.run(ctx, c)
	if err != nil {
		return explained(err)
	}
	if err := v.print(c.out, report); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	if status := report.Status(); status != exitOK {
		return &statusError{status}
	}
	return nil
}

func parseVerify(c console, args []string) (verification, error) {
	var v verification
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	flags.StringVar(&v.keys, "keys", "", "`URL` or file of the service's public keys (required); "+whereKeysAre)
	flags.BoolVar(&v.asJSON, "json", false, "print the report as JSON")
	flags.IntVar(&v.options.Parallel, "parallel", 4, "read this `number` of objects at a time")
	flags.Int64Var(&v.options.Through, "through", 0, "the deliveries must reach this `seq`")
	flags.Func("export", "verify only the export with this `ID`", func(text string) (err error) {
		v.options.Export, err = uuid.Parse(text)
		return err
	})
	flags.BoolVar(&v.quiet, "no-progress", false, "show no progress, also in a terminal")
	flags.StringVar(&v.servers.s3, "s3-endpoint", "", "`URL` of an S3 server other than Amazon's")
	flags.StringVar(&v.servers.s3Region, "s3-region", "", "`region` of the bucket, if it cannot be found out")
	flags.StringVar(&v.servers.azure, "azure-endpoint", "", "`URL` of another blob server; {account} stands for the storage account")
	flags.StringVar(&v.servers.gcs, "gcs-endpoint", "", "`URL` of a Cloud Storage server other than Google's")
	arguments, err := parse(c, flags, verifyHelp, args)
	if err != nil {
		return v, err
	}
	wrong := func(message string) (verification, error) { return v, &usageError{"verify", message} }
	switch {
	case len(arguments) == 0:
		return wrong("name the source: a folder, or a URL such as s3://bucket/folder/")
	case len(arguments) > 1:
		return wrong(fmt.Sprintf("name one source; there are %d: %q", len(arguments), arguments))
	case v.keys == "":
		return wrong("name the service's public keys with --keys; " + whereKeysAre)
	case v.options.Parallel < 1 || v.options.Parallel > 256:
		return wrong("--parallel must be 1 to 256")
	case v.options.Through < 0:
		return wrong("--through must not be negative")
	}
	v.source = arguments[0]
	return v, nil
}

func (v verification) run(ctx context.Context, c console) (report manifest.Report, err error) {
	if v.options.Keys, err = loadKeys(ctx, v.keys); err != nil {
		return report, err
	}
	source, location, err := openSource(ctx, v.source, v.servers)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	v.options.Location = location
	if c.terminal && !v.quiet {
		bars := &bars{to: c.err}
		defer bars.end()
		v.options.Progress = bars.show
	}
	return manifest.Verify(ctx, source, v.options)
}

// explained adds what a reader can do to errors that do not say it.
func explained(err error) error {
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted; nothing is proven")
	}
	return err
}

func (v verification) print(w io.Writer, report manifest.Report) error {
	if !v.asJSON {
		return printReport(w, v.source, report)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Source     string `json:"source"`
		ExitStatus int    `json:"exit_status"`
		manifest.Report
	}{v.source, report.Status(), report})
}
