package cloudsim_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"

	"cloud.google.com/go/storage"
)

// hold puts an object into a store with its root key and returns nothing but
// success.
type hold func(key string, data []byte)

// holders are a bucket in each cloud, by its path on the page.
func (w world) holders(t *testing.T) map[string]hold {
	t.Helper()
	ctx, bucket, gcs, n := t.Context(), w.bucket(t), w.gcsBucket(t), w.tenant(t)
	credential, err := azblob.NewSharedKeyCredential(account, w.stores.Azurite.Accounts[account])
	require.NoError(t, err)
	azure, err := azblob.NewClientWithSharedKeyCredential(w.stores.Azurite.Endpoint+"/"+account, credential, nil)
	require.NoError(t, err)
	google, err := storage.NewClient(ctx, option.WithoutAuthentication(), option.WithEndpoint(w.stores.GCS.Endpoint+"/storage/v1/"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, google.Close()) })
	return map[string]hold{
		"aws/" + bucket: func(key string, data []byte) {
			_, err := w.root().PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(data)})
			require.NoError(t, err)
		},
		"azure/" + account + "/" + n.container: func(key string, data []byte) {
			_, err := azure.UploadBuffer(ctx, n.container, key, data, nil)
			require.NoError(t, err)
		},
		"gcp/" + gcs: func(key string, data []byte) {
			require.NoError(t, upload(ctx, google.Bucket(gcs).Object(key), 0, string(data)))
		},
	}
}

var href = regexp.MustCompile(`<a href="([^"]*)">([^<]*)</a>`)

// follow clicks on the link with the name.
func follow(t *testing.T, w world, text, name string) string {
	t.Helper()
	for _, match := range href.FindAllStringSubmatch(text, -1) {
		if html.UnescapeString(match[2]) == name {
			status, next := see(t, w.Server, w.at.Page+html.UnescapeString(match[1]))
			require.Equal(t, http.StatusOK, status)
			return next
		}
	}
	require.Failf(t, "no link", "%q is not in %s", name, text)
	return ""
}

// A person finds what was delivered by clicking from the page down to the
// object, in each cloud, and reads or downloads it.
func TestBrowseDeliveredObjects(t *testing.T) {
	t.Parallel()
	w := setup(t)
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_, err := zip.Write([]byte(`{"seq":1}`))
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	for place, put := range w.holders(t) {
		put("logs/date=2026-01-02/hour=03/all events+1-2.ndjson.gz", packed.Bytes())
		put("logs/date=2026-01-02/hour=03/<b>&ü.json", []byte(`{"note":"<script>ü"}`))
		put("elsewhere", []byte(strings.Repeat("x", 1234)))

		_, text := see(t, w.Server, w.at.Page)
		text = follow(t, w, text, "Delivered objects")
		_, name, _ := strings.Cut(place, "/")
		text = follow(t, w, text, name)
		require.Contains(t, text, "elsewhere", place)
		require.Contains(t, text, "1.2 kB", place)
		for _, folder := range []string{"logs/", "date=2026-01-02/", "hour=03/"} {
			text = follow(t, w, text, folder)
		}
		require.NotContains(t, text, "elsewhere", place)
		require.Regexp(t, `20\d\d-\d\d-\d\d \d\d:\d\d:\d\d`, text)

		plain := follow(t, w, text, "<b>&ü.json")
		require.Contains(t, plain, "&lt;script&gt;ü", place)
		require.NotContains(t, plain, "<script>", place)
		compressed := follow(t, w, text, "all events+1-2.ndjson.gz")
		require.Contains(t, compressed, "no plain text", place)
		require.Equal(t, packed.String(), follow(t, w, compressed, "Download"), "the stored bytes, as they are: %s", place)
		require.Equal(t, `{"note":"<script>ü"}`, follow(t, w, plain, "Download"), place)
	}
}

// A long object is shown in part, and a folder with many objects page by page.
func TestBrowseMuch(t *testing.T) {
	t.Parallel()
	w := setup(t)
	const objects = 201 // one more than a page has
	for place, put := range w.holders(t) {
		put("long", []byte(strings.Repeat("ü€", 30_000)))
		for i := range objects {
			put(fmt.Sprintf("many/%04d", i), []byte("x"))
		}
		_, text := see(t, w.Server, w.at.Page+"/object/"+place+"?key=long")
		require.Contains(t, text, "This is the beginning", place)
		require.Contains(t, text, "ü€ü€", place)

		_, text = see(t, w.Server, w.at.Page+"/objects/"+place+"?"+url.Values{"prefix": {"many/"}}.Encode())
		require.Contains(t, text, ">0199<", place)
		require.NotContains(t, text, ">0200<", place)
		text = follow(t, w, text, "More")
		require.Contains(t, text, ">0200<", place)
		require.NotContains(t, text, ">0199<", place)
		require.NotContains(t, text, ">More<", place)
	}
}

func TestBrowseWhatIsNotThere(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, place := range []string{"aws/none-at-all", "azure/acmeaudit/none-at-all", "azure/nobody/none-at-all", "gcp/none-at-all"} {
		for _, route := range []string{"objects", "object", "download"} {
			status, _ := see(t, w.Server, w.at.Page+"/"+route+"/"+place+"?key=a")
			require.Equal(t, http.StatusBadGateway, status, "%s %s", route, place)
		}
	}
	none := offline(t)
	status, text := see(t, none, none.Endpoints().Page+"/objects")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, "not started")
	for _, route := range []string{"objects", "object", "download"} {
		status, _ = see(t, none, none.Endpoints().Page+"/"+route+"/aws/bucket?key=a")
		require.Equal(t, http.StatusNotFound, status)
	}
}
