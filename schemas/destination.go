package schemas

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Cloud is where a destination lives.
type Cloud string

// The clouds.
const (
	AWS   Cloud = "aws"
	Azure Cloud = "azure"
	GCP   Cloud = "gcp"
)

// Clouds lists every cloud, in the order in which people are shown them.
func Clouds() []Cloud { return []Cloud{AWS, Azure, GCP} }

// MaxPrefixBytes bounds a folder prefix, so that the longest object key stays
// below the 1,024 bytes that all three clouds allow for a name.
const MaxPrefixBytes = 512

// Destination is a bucket or container plus a folder prefix. Its text form is
// its canonical URL: two destinations are the same place exactly when their
// URLs are equal.
type Destination struct {
	Cloud   Cloud
	Account string // storage account, Azure only
	Bucket  string // bucket, or container on Azure
	Prefix  string // "" or a path without leading and trailing slash
}

// ParseDestination reads the URL of a destination:
//
//	s3://bucket/prefix/
//	azure://account.blob.core.windows.net/container/prefix/
//	gs://bucket/prefix/      (gcs:// is accepted)
//
// It checks the cloud's own naming rules and returns a *FieldError that says
// what to change.
func ParseDestination(raw string) (Destination, error) { return parseDestination(raw, Clouds()) }

// ParseDestination reads the URL of a destination on this cloud, as the function
// of this name does; others are refused, and shown how this cloud's look.
func (c Cloud) ParseDestination(raw string) (Destination, error) {
	return parseDestination(raw, []Cloud{c})
}

func parseDestination(raw string, clouds []Cloud) (Destination, error) {
	bad := func(format string, args ...any) (Destination, error) {
		return Destination{}, &FieldError{Field: "destination", Message: fmt.Sprintf(format, args...)}
	}
	scheme, rest, found := strings.Cut(strings.TrimSpace(raw), "://")
	cloud, known := schemes[strings.ToLower(scheme)]
	switch {
	case !found:
		return bad("must be a URL such as %s", examplesOn(clouds))
	case !known:
		return bad("has the unknown scheme %q; write %s", scheme, examplesOn(clouds))
	case !slices.Contains(clouds, cloud):
		return bad("is on another cloud than the integration; write %s, or create an integration on that cloud", examplesOn(clouds))
	}
	d := Destination{Cloud: cloud}
	var err error
	if cloud == Azure {
		var host string
		host, rest, _ = strings.Cut(rest, "/")
		d.Account, err = azureAccount(host)
	}
	d.Bucket, d.Prefix, _ = strings.Cut(rest, "/")
	if err == nil {
		err = d.checkBucket()
	}
	if err != nil {
		return bad("%s", err)
	}
	if d.Prefix != "/" { // a folder without a name, as of an empty variable, is not the whole bucket
		d.Prefix = strings.TrimSuffix(d.Prefix, "/")
	}
	if err := checkPrefix(d.Prefix); err != nil {
		return bad("%s", err)
	}
	return d, nil
}

// URL is the canonical form; it always ends in a slash.
func (d Destination) URL() string {
	var base string
	switch d.Cloud {
	case AWS:
		base = "s3://" + d.Bucket
	case Azure:
		base = "azure://" + d.Account + azureHostSuffix + "/" + d.Bucket
	case GCP:
		base = "gs://" + d.Bucket
	default:
		return ""
	}
	if d.Prefix == "" {
		return base + "/"
	}
	return base + "/" + d.Prefix + "/"
}

func (d Destination) String() string { return d.URL() }

// MarshalText gives the canonical URL.
func (d Destination) MarshalText() ([]byte, error) { return []byte(d.URL()), nil }

// UnmarshalText reads what ParseDestination reads; the empty text is the zero
// destination.
func (d *Destination) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Destination{}
		return nil
	}
	parsed, err := ParseDestination(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// Key is the full object key of a name inside the destination's folder.
func (d Destination) Key(name string) string {
	if d.Prefix == "" {
		return name
	}
	return d.Prefix + "/" + name
}

// Below is the name, inside the destination's folder, of a full object key.
func (d Destination) Below(key string) string { return strings.TrimPrefix(key, d.Key("")) }

// Overlaps tells whether one destination holds the other, or is it.
func (d Destination) Overlaps(other Destination) bool {
	a, b := d.URL(), other.URL()
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

const azureHostSuffix = ".blob.core.windows.net"

// schemes are how URLs begin, without their "://".
var schemes = map[string]Cloud{"s3": AWS, "azure": Azure, "gs": GCP, "gcs": GCP}

var examples = map[Cloud]string{
	AWS:   "s3://bucket/folder/",
	Azure: "azure://account" + azureHostSuffix + "/container/folder/",
	GCP:   "gs://bucket/folder/",
}

func examplesOn(clouds []Cloud) string {
	all := make([]string, len(clouds))
	for i, cloud := range clouds {
		all[i] = examples[cloud]
	}
	return strings.Join(all, " or ")
}

var (
	// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
	s3Bucket = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	// https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftstorage
	azureAccountName = regexp.MustCompile(`^[a-z0-9]{3,24}$`)
	azureContainer   = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9]){2,62}$`)
	// https://cloud.google.com/storage/docs/buckets#naming
	gcsLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$`)
)

func (d Destination) checkBucket() error {
	switch {
	case d.Cloud == Azure:
		return checkContainer(d.Bucket)
	case d.Bucket == "":
		return fmt.Errorf("names no bucket; write %s", examples[d.Cloud])
	case d.Cloud == AWS:
		return checkS3Bucket(d.Bucket)
	default:
		return checkGCSBucket(d.Bucket)
	}
}

func checkS3Bucket(name string) error {
	if !s3Bucket.MatchString(name) {
		return fmt.Errorf("has the bucket name %q; S3 bucket names are 3 to 63 lower-case letters, digits, dots and hyphens, and begin and end with a letter or digit", name)
	}
	if strings.Contains(name, "..") {
		return fmt.Errorf("has the bucket name %q; S3 bucket names have no two dots in a row", name)
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return fmt.Errorf("has the bucket name %q; S3 bucket names must not look like an IP address", name)
	}
	for _, prefix := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(name, prefix) {
			return fmt.Errorf("has the bucket name %q; S3 reserves names that begin with %q", name, prefix)
		}
	}
	for _, suffix := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(name, suffix) {
			return fmt.Errorf("has the bucket name %q; S3 reserves names that end in %q", name, suffix)
		}
	}
	return nil
}

func azureAccount(host string) (string, error) {
	if host == "" {
		return "", fmt.Errorf("names no storage account; write %s", examples[Azure])
	}
	account, isBlob := strings.CutSuffix(strings.ToLower(host), azureHostSuffix)
	if !isBlob {
		return "", fmt.Errorf("has the host %q; an Azure destination begins with azure://<storage account>%s/", host, azureHostSuffix)
	}
	if !azureAccountName.MatchString(account) {
		return "", fmt.Errorf("has the storage account %q; account names are 3 to 24 lower-case letters and digits", account)
	}
	return account, nil
}

func checkContainer(name string) error {
	if name == "" {
		return fmt.Errorf("names no container; write %s", examples[Azure])
	}
	if len(name) > 63 || !azureContainer.MatchString(name) {
		return fmt.Errorf("has the container %q; container names are 3 to 63 lower-case letters, digits and single hyphens, and begin and end with a letter or digit", name)
	}
	return nil
}

func checkGCSBucket(name string) error {
	limit := 63
	if strings.Contains(name, ".") {
		limit = 222
	}
	if len(name) < 3 || len(name) > limit {
		return fmt.Errorf("has the bucket name %q; Cloud Storage bucket names are 3 to %d characters long", name, limit)
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return fmt.Errorf("has the bucket name %q; Cloud Storage bucket names must not look like an IP address", name)
	}
	if strings.HasPrefix(name, "goog") || strings.Contains(name, "google") {
		return fmt.Errorf("has the bucket name %q; Cloud Storage reserves names that begin with goog or contain google", name)
	}
	for label := range strings.SplitSeq(name, ".") {
		if len(label) > 63 || !gcsLabel.MatchString(label) {
			return fmt.Errorf("has the bucket name %q; Cloud Storage bucket names are lower-case letters, digits, hyphens, underscores and dots, and each part between dots begins and ends with a letter or digit", name)
		}
	}
	return nil
}

func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if len(prefix) > MaxPrefixBytes {
		return fmt.Errorf("has a folder of %d bytes; at most %d are possible", len(prefix), MaxPrefixBytes)
	}
	if !utf8.ValidString(prefix) {
		return fmt.Errorf("has a folder that is not valid UTF-8")
	}
	for _, r := range prefix {
		// The characters that S3 advises against, Cloud Storage forbids in tools, that
		// would make one URL mean two places, or that nobody can see.
		if !unicode.IsPrint(r) || strings.ContainsRune(`\?#%*[]{}^"<>|~`+"`", r) {
			return fmt.Errorf("has the character %q in its folder; use letters, digits and / ! - _ . ' ( ) = + , @ : & $ ; and spaces", r)
		}
	}
	for segment := range strings.SplitSeq(prefix, "/") {
		switch {
		case segment == "":
			return fmt.Errorf("has an empty folder name (two slashes in a row)")
		case segment == "." || segment == "..":
			return fmt.Errorf("has the folder name %q, which storage tools read as another folder", segment)
		case strings.HasSuffix(segment, "."):
			return fmt.Errorf("has the folder name %q; Azure does not keep a dot at the end of a folder name", segment)
		case strings.TrimSpace(segment) != segment:
			return fmt.Errorf("has the folder name %q with a space at its edge", segment)
		}
	}
	return nil
}
