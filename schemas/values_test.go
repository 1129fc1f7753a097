package schemas_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/auditferry/auditferry/schemas"
)

// requireField checks that the error is about this field; "" is no error.
func requireField(t *testing.T, field string, err error) {
	t.Helper()
	if field == "" {
		require.NoError(t, err)
		return
	}
	var wrong *schemas.FieldError
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, field, wrong.Field)
	require.NotEmpty(t, wrong.Message)
}

// requireFields checks that the error is about these fields, and each once.
func requireFields(t *testing.T, want []string, err error) {
	t.Helper()
	var found []string
	var look func(err error)
	look = func(err error) {
		if joined, several := err.(interface{ Unwrap() []error }); several {
			for _, one := range joined.Unwrap() {
				look(one)
			}
			return
		}
		var wrong *schemas.FieldError
		require.ErrorAs(t, err, &wrong)
		found = append(found, wrong.Field)
	}
	look(err)
	require.ElementsMatch(t, want, found)
}

// Whoever corrects a form is told of everything at once.
func TestEveryWrongFieldIsNamed(t *testing.T) {
	t.Parallel()
	requireFields(t, []string{"role_arn", "bucket_owner", "tenant_id"}, schemas.Grant{RoleARN: "x", BucketOwner: "x", TenantID: "x"}.Validate(schemas.AWS))
	requireFields(t, []string{"role_arn", "bucket_owner", "tenant_id"}, schemas.Grant{RoleARN: "x", BucketOwner: "x", TenantID: "x"}.Validate(schemas.Azure))
	requireFields(t, []string{"filter.actions[0]", "filter.except_actions[0]", "filter.outcome"},
		schemas.Filter{Actions: []string{"*"}, ExceptActions: []string{"*"}, Outcome: "some"}.Validate())
	for _, test := range []struct {
		schedule schemas.Schedule
		fields   []string
	}{
		{schemas.Schedule{Kind: schemas.ScheduleWeekly, Every: "1h", Cron: "0 0 * * *", Jitter: "2h"},
			[]string{"schedule.weekdays", "schedule.at", "schedule.every", "schedule.cron", "schedule.jitter"}},
		{schemas.Schedule{Kind: schemas.ScheduleInterval, At: "02:00"}, []string{"schedule.every", "schedule.at"}},
		{schemas.Schedule{Kind: schemas.ScheduleCron, Weekdays: []string{"monday"}}, []string{"schedule.cron", "schedule.weekdays"}},
		// What belongs to a kind that is none, nobody knows.
		{schemas.Schedule{Kind: "hourly", Every: "1h", Jitter: "2h"}, []string{"schedule.kind", "schedule.jitter"}},
	} {
		requireFields(t, test.fields, test.schedule.Validate())
	}
}

func TestCredentialsValidate(t *testing.T) {
	t.Parallel()
	aws := func(id, arn string) schemas.Credentials {
		return schemas.Credentials{AWS: &schemas.AWSCredentials{ExternalID: id, IAMUserARN: arn}}
	}
	azure := func(url, name string) schemas.Credentials {
		return schemas.Credentials{Azure: &schemas.AzureCredentials{ConsentURL: url, MultiTenantAppName: name}}
	}
	gcp := func(account string) schemas.Credentials {
		return schemas.Credentials{GCP: &schemas.GCPCredentials{ServiceAccount: account}}
	}
	const user = "arn:aws:iam::123456789012:user/exports/auditferry"
	const consent = "https://login.microsoftonline.com/t/oauth2/authorize?client_id=1&response_type=code"
	for name, test := range map[string]struct {
		credentials schemas.Credentials
		cloud       schemas.Cloud
		field       string
	}{
		"aws":                     {aws("acme/1:a=b", user), schemas.AWS, ""},
		"aws china":               {aws("acme", "arn:aws-cn:iam::123456789012:user/x"), schemas.AWS, ""},
		"azure":                   {azure(consent, "audit ferry_1700000000000"), schemas.Azure, ""},
		"gcp":                     {gcp("exports@acme-1.iam.gserviceaccount.com"), schemas.GCP, ""},
		"gcp of a domain project": {gcp("exports@acme.example.com:acme.iam.gserviceaccount.com"), schemas.GCP, ""},
		"none":                    {schemas.Credentials{}, schemas.AWS, "credentials"},
		"two": {schemas.Credentials{AWS: &schemas.AWSCredentials{}, GCP: &schemas.GCPCredentials{}},
			schemas.AWS, "credentials"},
		"another cloud's":      {aws("acme", user), schemas.GCP, "credentials"},
		"external ID too long": {aws(strings.Repeat("x", 1225), user), schemas.AWS, "credentials.aws.external_id"},
		"external ID short":    {aws("x", user), schemas.AWS, "credentials.aws.external_id"},
		"external ID of words": {aws("two words", user), schemas.AWS, "credentials.aws.external_id"},
		"role for a user":      {aws("acme", "arn:aws:iam::123456789012:role/x"), schemas.AWS, "credentials.aws.iam_user_arn"},
		"consent over http":    {azure("http://login.microsoftonline.com/?client_id=1", "a_1"), schemas.Azure, "credentials.azure.consent_url"},
		"consent of nobody":    {azure("https://login.microsoftonline.com/t", "a_1"), schemas.Azure, "credentials.azure.consent_url"},
		"app without suffix":   {azure(consent, "auditferry"), schemas.Azure, "credentials.azure.multi_tenant_app_name"},
		"person, not account":  {gcp("ada@acme.example"), schemas.GCP, "credentials.gcp.service_account"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireField(t, test.field, test.credentials.Validate(test.cloud))
		})
	}
	require.Equal(t, "audit ferry", azure(consent, "audit ferry_17_00").Azure.MemberSearch())
}

func TestGrantValidate(t *testing.T) {
	t.Parallel()
	const role, tenant = "arn:aws:iam::123456789012:role/auditferry", "72f988bf-86f1-41af-91ab-2d7cd011db47"
	for name, test := range map[string]struct {
		grant schemas.Grant
		cloud schemas.Cloud
		field string
	}{
		"aws":                {schemas.Grant{RoleARN: role}, schemas.AWS, ""},
		"azure":              {schemas.Grant{TenantID: tenant}, schemas.Azure, ""},
		"gcp":                {schemas.Grant{}, schemas.GCP, ""},
		"aws without role":   {schemas.Grant{}, schemas.AWS, "role_arn"},
		"aws with tenant":    {schemas.Grant{RoleARN: role, TenantID: tenant}, schemas.AWS, "tenant_id"},
		"assumed role":       {schemas.Grant{RoleARN: "arn:aws:sts::123456789012:assumed-role/x/y"}, schemas.AWS, "role_arn"},
		"role of two lines":  {schemas.Grant{RoleARN: role + "\n"}, schemas.AWS, "role_arn"},
		"azure with role":    {schemas.Grant{RoleARN: role, TenantID: tenant}, schemas.Azure, "role_arn"},
		"azure domain":       {schemas.Grant{TenantID: "acme.onmicrosoft.com"}, schemas.Azure, "tenant_id"},
		"azure braces":       {schemas.Grant{TenantID: "{" + tenant + "}"}, schemas.Azure, "tenant_id"},
		"azure nil":          {schemas.Grant{TenantID: uuid.Nil.String()}, schemas.Azure, "tenant_id"},
		"gcp with something": {schemas.Grant{TenantID: tenant}, schemas.GCP, "tenant_id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireField(t, test.field, test.grant.Validate(test.cloud))
		})
	}
}

func TestScheduleValidate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		schedule schemas.Schedule
		field    string
	}{
		"interval":              {schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "15m", Jitter: "30s"}, ""},
		"longest interval":      {schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "168h"}, ""},
		"daily":                 {schemas.Schedule{Kind: schemas.ScheduleDaily, At: "23:59", TimeZone: "Europe/Berlin"}, ""},
		"weekly":                {schemas.Schedule{Kind: schemas.ScheduleWeekly, At: "00:00", Weekdays: []string{"monday", "sunday"}}, ""},
		"cron":                  {schemas.Schedule{Kind: schemas.ScheduleCron, Cron: "*/5 * * * 1-5"}, ""},
		"no kind":               {schemas.Schedule{}, "schedule.kind"},
		"interval of nothing":   {schemas.Schedule{Kind: schemas.ScheduleInterval}, "schedule.every"},
		"interval too short":    {schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "4s"}, "schedule.every"},
		"interval too long":     {schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "169h"}, "schedule.every"},
		"interval of fractions": {schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "5500ms"}, "schedule.every"},
		"daily at nine":         {schemas.Schedule{Kind: schemas.ScheduleDaily, At: "9:00"}, "schedule.at"},
		"weekly without days":   {schemas.Schedule{Kind: schemas.ScheduleWeekly, At: "09:00"}, "schedule.weekdays"},
		"weekly on Monday":      {schemas.Schedule{Kind: schemas.ScheduleWeekly, At: "09:00", Weekdays: []string{"Monday"}}, "schedule.weekdays"},
		"weekly without time":   {schemas.Schedule{Kind: schemas.ScheduleWeekly, Weekdays: []string{"monday"}}, "schedule.at"},
		"cron of six fields":    {schemas.Schedule{Kind: schemas.ScheduleCron, Cron: "0 0 * * * *"}, "schedule.cron"},
		"daily with a cron":     {schemas.Schedule{Kind: schemas.ScheduleDaily, At: "09:00", Cron: "0 0 * * *"}, "schedule.cron"},
		"cron with weekdays":    {schemas.Schedule{Kind: schemas.ScheduleCron, Cron: "0 0 * * *", Weekdays: []string{"monday"}}, "schedule.weekdays"},
		"jitter of two hours":   {schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "3h", Jitter: "2h"}, "schedule.jitter"},
		"jitter of no form":     {schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "3h", Jitter: "some"}, "schedule.jitter"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireField(t, test.field, test.schedule.Validate())
		})
	}
}

func TestPathTemplate(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 23, 4, 5, 0, time.FixedZone("west", -2*60*60))
	require.Equal(t, "date=2026-01-03/hour=01", schemas.DefaultPathTemplate.Expand("daily-1a2b3c", at), "the time is UTC")
	for template, field := range map[schemas.PathTemplate]string{
		schemas.DefaultPathTemplate: "",
		"":                          "",
		"audit/{YYYY}/{MM}":         "",
		"/audit":                    "path_template",
		"audit/":                    "path_template",
		"_manifests/x":              "path_template",
		"{yyyy}":                    "path_template",
		"{YYYY":                     "path_template",
		"a/../b":                    "path_template",
		"a//b":                      "path_template",
		"a\x00b":                    "path_template",
		schemas.PathTemplate(strings.Repeat("x", 201)):    "path_template",
		schemas.PathTemplate(strings.Repeat("{YYYY}", 1)): "",
	} {
		requireField(t, field, template.Validate())
	}
}

func TestWindowParts(t *testing.T) {
	t.Parallel()
	w := schemas.Window{Slug: "hourly-abc123", FirstSeq: 11, LastSeq: 35, RowsPerPart: 10, Format: schemas.FormatNDJSON, Compression: schemas.CompressionGzip, PathTemplate: "{YYYY}"}
	require.EqualValues(t, 25, w.Span())
	require.Equal(t, 3, w.Parts())
	next := w.FirstSeq
	for n := range w.Parts() {
		first, last := w.Part(n)
		require.Equal(t, next, first)
		next = last + 1
	}
	require.Equal(t, w.LastSeq+1, next)
	require.Equal(t, "2026/hourly-abc123-000000000011-000000000020.ndjson.gz", w.Name(11, 20, time.Date(2026, 5, 6, 0, 0, 0, 0, time.UTC)))
}

// Whatever an object is called, its name tells whose it is; and no other name
// does.
func TestParseObjectName(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := schemas.Window{
			Slug:         rapid.StringMatching(`[a-z0-9][a-z0-9-]{0,20}`).Draw(t, "slug"),
			Format:       rapid.SampledFrom([]schemas.Format{schemas.FormatNDJSON, schemas.FormatCSV, schemas.FormatParquet}).Draw(t, "format"),
			PathTemplate: rapid.SampledFrom([]schemas.PathTemplate{"", schemas.DefaultPathTemplate, "{export}"}).Draw(t, "path"),
		}
		w.Compression = rapid.SampledFrom(w.Format.Compressions()).Draw(t, "compression")
		wantFirst := rapid.Int64Range(1, 1<<60).Draw(t, "first")
		wantLast := rapid.Int64Range(wantFirst, 1<<60).Draw(t, "last")
		slug, first, last, ok := schemas.ParseObjectName(w.Name(wantFirst, wantLast, time.Unix(0, 0)))
		require.True(t, ok)
		require.Equal(t, w.Slug, slug)
		require.Equal(t, []int64{wantFirst, wantLast}, []int64{first, last})
	})
	for _, other := range []string{
		"", "a", "000000000001-000000000002.ndjson", "-000000000001-000000000002.ndjson", "a-1-2.ndjson", "a-000000000001.ndjson",
		"a-000000000003-000000000002.ndjson", "a-000000000000-000000000002.ndjson", "a-000000000001-000000000002",
		"a-000000000001-000000000002.ndjson.gz.exe", "a-000000000001-000000000002.json", "a-000000000001-000000000002.parquet.gz",
		"a-000000000001-000000000002.ndjson/x", "a-0000000000001-000000000002.ndjson", "a-000000000001-99999999999999999999.ndjson",
	} {
		_, _, _, ok := schemas.ParseObjectName(other)
		require.False(t, ok, other)
	}
}
