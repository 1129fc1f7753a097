package schemas_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/auditferry/auditferry/schemas"
)

func TestParseDestination(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"s3://acme-audit":                                       "s3://acme-audit/",
		"s3://acme-audit/":                                      "s3://acme-audit/",
		" S3://acme-audit/a b/c ":                               "s3://acme-audit/a b/c/",
		"s3://acme.audit.logs/2026!-_.'()=+,@:&$;x/":            "s3://acme.audit.logs/2026!-_.'()=+,@:&$;x/",
		"s3://acme-audit/Ünïcode/日本/":                           "s3://acme-audit/Ünïcode/日本/",
		"azure://Acme.Blob.Core.Windows.Net/logs":               "azure://acme.blob.core.windows.net/logs/",
		"azure://acme.blob.core.windows.net/a-b-c/x/y/":         "azure://acme.blob.core.windows.net/a-b-c/x/y/",
		"gs://acme_audit/":                                      "gs://acme_audit/",
		"gcs://acme.example.com/logs/":                          "gs://acme.example.com/logs/",
		"s3://acme-audit/" + strings.Repeat("x", 512):           "s3://acme-audit/" + strings.Repeat("x", 512) + "/",
		"gs://" + strings.Repeat("a", 63) + ".example.com/logs": "gs://" + strings.Repeat("a", 63) + ".example.com/logs/",
	} {
		d, err := schemas.ParseDestination(raw)
		require.NoError(t, err, raw)
		require.Equal(t, want, d.URL(), raw)
	}
}

func TestParseDestinationRefuses(t *testing.T) {
	t.Parallel()
	for raw, says := range map[string]string{
		"":                                      "must be a URL",
		"acme-audit/logs":                       "must be a URL",
		"https://acme-audit/":                   "unknown scheme",
		"s3://":                                 "names no bucket; write s3://bucket/folder/",
		"gs:///logs/":                           "names no bucket; write gs://bucket/folder/",
		"s3://ab/":                              "3 to 63",
		"s3://Acme/":                            "lower-case",
		"s3://acme_audit/":                      "lower-case",
		"s3://acme..audit/":                     "two dots",
		"s3://10.0.0.1/":                        "IP address",
		"s3://xn--acme/":                        "reserves",
		"s3://acme-s3alias/":                    "reserves",
		"s3://acme--x-s3/":                      "reserves",
		"s3://user@acme-audit/":                 "bucket name",
		"s3://acme-audit:9000/":                 "bucket name",
		"s3://" + strings.Repeat("a", 64) + "/": "3 to 63",
		"azure://acme/logs/":                    "begins with azure://",
		"azure://acme.blob.core.windows.net.evil.test/logs/": "begins with azure://",
		"azure://":                                    "names no storage account; write azure://account.blob.core.windows.net/container/folder/",
		"azure://acme.blob.core.windows.net":          "names no container",
		"azure://acme.blob.core.windows.net/a--b/":    "container",
		"azure://acme.blob.core.windows.net/$root/":   "container",
		"azure://ac.blob.core.windows.net/logs/":      "storage account",
		"azure://a.b.blob.core.windows.net/logs/":     "storage account",
		"gs://goog-logs/":                             "Cloud Storage reserves",
		"gs://my-google-logs/":                        "reserves",
		"gs://192.168.5.4/":                           "IP address",
		"gs://-acme/":                                 "begins and ends",
		"gs://" + strings.Repeat("a", 64) + "/":       "3 to 63",
		"s3://acme-audit/a//b/":                       "two slashes",
		"s3://acme-audit//":                           "two slashes",
		"s3://acme-audit/../b/":                       "another folder",
		"s3://acme-audit/a/./b/":                      "another folder",
		"s3://acme-audit/a./b/":                       "dot at the end",
		"s3://acme-audit/ a/b/":                       "space at its edge",
		"s3://acme-audit/a\\b/":                       "character",
		"s3://acme-audit/a?b/":                        "character",
		"s3://acme-audit/a#b/":                        "character",
		"s3://acme-audit/a%2e%2e/":                    "character",
		"s3://acme-audit/a\x00b/":                     "character",
		"s3://acme-audit/a\nb/":                       "character",
		"s3://acme-audit/a\xffb/":                     "UTF-8",
		"s3://acme-audit/" + strings.Repeat("x", 513): "at most 512",
	} {
		_, err := schemas.ParseDestination(raw)
		var field *schemas.FieldError
		require.ErrorAs(t, err, &field, "%q", raw)
		require.Equal(t, "destination", field.Field)
		require.Contains(t, field.Message, says, "%q", raw)
	}
}

// Whoever has chosen a cloud is shown how its destinations look, and no others.
func TestParseDestinationOnACloud(t *testing.T) {
	t.Parallel()
	forms := map[schemas.Cloud]string{
		schemas.AWS: "s3://bucket/folder/", schemas.Azure: "azure://account.blob.core.windows.net/container/folder/", schemas.GCP: "gs://bucket/folder/",
	}
	for cloud, form := range forms {
		d, err := cloud.ParseDestination(form)
		require.NoError(t, err)
		require.Equal(t, cloud, d.Cloud)
		says := map[string]string{
			"":                    "must be a URL such as " + form,
			"https://acme-audit/": `has the unknown scheme "https"; write ` + form,
		}
		for other, url := range forms {
			if other != cloud {
				begins, _, _ := strings.Cut(url, "://")
				says[begins+"://"] = "is on another cloud than the integration; write " + form + ", or create an integration on that cloud"
			}
		}
		for raw, message := range says {
			_, err := cloud.ParseDestination(raw)
			var wrong *schemas.FieldError
			require.ErrorAs(t, err, &wrong, raw)
			require.Equal(t, message, wrong.Message, raw)
		}
	}
}

// FuzzParseDestination holds that the canonical URL is a fixed point, names the
// same place, and that no destination escapes its own folder.
func FuzzParseDestination(f *testing.F) {
	for _, seed := range []string{"s3://acme-audit/a/b", "gcs://acme/", "azure://acme.blob.core.windows.net/logs/x", "s3://a/../b", "S3:// "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		d, err := schemas.ParseDestination(raw)
		if err != nil {
			var field *schemas.FieldError
			require.True(t, errors.As(err, &field))
			return
		}
		again, err := schemas.ParseDestination(d.URL())
		require.NoError(t, err)
		require.Equal(t, d, again)
		require.True(t, strings.HasPrefix(d.Key("name"), d.Prefix))
		require.NotContains(t, d.Key("name"), "//")
		require.NotContains(t, strings.Split(d.Key("name"), "/"), "..")
	})
}

func destinations() *rapid.Generator[schemas.Destination] {
	return rapid.Custom(func(t *rapid.T) schemas.Destination {
		folders := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "ab", "b"}), 0, 3).Draw(t, "folders")
		bucket := rapid.SampledFrom([]string{"acme", "acme-audit"}).Draw(t, "bucket")
		d := schemas.Destination{Cloud: rapid.SampledFrom(schemas.Clouds()).Draw(t, "cloud"), Bucket: bucket, Prefix: strings.Join(folders, "/")}
		if d.Cloud == schemas.Azure {
			d.Account = "acme"
		}
		return d
	})
}

func TestDestinationProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := destinations().Draw(t, "a"), destinations().Draw(t, "b")
		parsed, err := schemas.ParseDestination(a.URL())
		require.NoError(t, err)
		require.Equal(t, a, parsed)

		// Two places overlap exactly when some object could lie in both.
		sameBucket := a.Cloud == b.Cloud && a.Account == b.Account && a.Bucket == b.Bucket
		within := strings.HasPrefix(a.Key("")+"/", b.Key("")) || strings.HasPrefix(b.Key("")+"/", a.Key(""))
		require.Equal(t, sameBucket && within, a.Overlaps(b))
		require.Equal(t, a.Overlaps(b), b.Overlaps(a))

		text, err := json.Marshal(a)
		require.NoError(t, err)
		var back schemas.Destination
		require.NoError(t, json.Unmarshal(text, &back))
		require.Equal(t, a, back)
	})
}

func TestEmptyDestinationText(t *testing.T) {
	t.Parallel()
	var d schemas.Destination
	require.NoError(t, json.Unmarshal([]byte(`""`), &d))
	require.Zero(t, d)
	require.Error(t, json.Unmarshal([]byte(`"ftp://x"`), &d))
}
