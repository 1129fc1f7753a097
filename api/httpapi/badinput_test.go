package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest/observer"

	"github.com/auditferry/auditferry/internal/postgres"
)

const roleARN = `"role_arn":"arn:aws:iam::123456789012:role/auditferry"`

func TestBadIntegrations(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	s.newAWS(t, o, "s3://taken/logs/")
	before := s.census(t, o)

	for name, test := range map[string]struct {
		body   string
		status int
		fields []string
	}{
		"not JSON":                 {`{"name":`, 400, nil},
		"more than one value":      {`{"name":"a","cloud":"gcp","destination":"gs://acme-audit/"} {}`, 400, nil},
		"nothing":                  {``, 400, nil},
		"an array":                 {`[]`, 422, []string{"body"}},
		"nothing required":         {`{}`, 422, []string{"cloud", "destination", "name"}},
		"unknown member":           {`{"name":"a","cloud":"aws","destination":"s3://acme-audit/",` + roleARN + `,"bucket":"x"}`, 422, []string{"bucket"}},
		"member in another case":   {`{"Name":"a","cloud":"aws","destination":"s3://acme-audit/",` + roleARN + `}`, 422, []string{"Name", "name"}},
		"unknown cloud":            {`{"name":"a","cloud":"oci","destination":"s3://acme-audit/"}`, 422, []string{"cloud"}},
		"name of spaces":           {`{"name":"  ","cloud":"aws","destination":"s3://acme-audit/",` + roleARN + `}`, 422, []string{"name"}},
		"name with NUL":            {`{"name":"a\u0000b","cloud":"aws","destination":"s3://acme-audit/",` + roleARN + `}`, 422, []string{"name"}},
		"name nobody can see":      {`{"name":"\u200b","cloud":"aws","destination":"s3://acme-audit/",` + roleARN + `}`, 422, []string{"name"}},
		"name turned around":       {`{"name":"a\u202eb","cloud":"aws","destination":"s3://acme-audit/",` + roleARN + `}`, 422, []string{"name"}},
		"folder turned around":     {`{"name":"a","cloud":"aws","destination":"s3://acme-audit/a\u202eb/",` + roleARN + `}`, 422, []string{"destination"}},
		"name too long":            {`{"name":"` + strings.Repeat("n", 101) + `","cloud":"aws","destination":"s3://acme-audit/",` + roleARN + `}`, 422, []string{"name"}},
		"name of another type":     {`{"name":7,"cloud":"aws","destination":"s3://acme-audit/",` + roleARN + `}`, 422, []string{"name"}},
		"wrong cloud for the URL":  {`{"name":"a","cloud":"aws","destination":"gs://acme-audit/",` + roleARN + `}`, 422, []string{"destination"}},
		"no URL":                   {`{"name":"a","cloud":"aws","destination":"acme-audit",` + roleARN + `}`, 422, []string{"destination"}},
		"S3 bucket in upper case":  {`{"name":"a","cloud":"aws","destination":"s3://Acme/",` + roleARN + `}`, 422, []string{"destination"}},
		"S3 bucket like an IP":     {`{"name":"a","cloud":"aws","destination":"s3://192.168.1.1/",` + roleARN + `}`, 422, []string{"destination"}},
		"GCS bucket with google":   {`{"name":"a","cloud":"gcp","destination":"gs://my-google-logs/"}`, 422, []string{"destination"}},
		"Azure without container":  {`{"name":"a","cloud":"azure","destination":"azure://acme.blob.core.windows.net/","tenant_id":"72f988bf-86f1-41af-91ab-2d7cd011db47"}`, 422, []string{"destination"}},
		"Azure at another host":    {`{"name":"a","cloud":"azure","destination":"azure://evil.example/container/","tenant_id":"72f988bf-86f1-41af-91ab-2d7cd011db47"}`, 422, []string{"destination"}},
		"parent folder":            {`{"name":"a","cloud":"aws","destination":"s3://acme-audit/logs/../other/",` + roleARN + `}`, 422, []string{"destination"}},
		"control character":        {`{"name":"a","cloud":"aws","destination":"s3://acme-audit/lo\u0007gs/",` + roleARN + `}`, 422, []string{"destination"}},
		"role ARN of a user":       {`{"name":"a","cloud":"aws","destination":"s3://acme-audit/","role_arn":"arn:aws:iam::123456789012:user/x"}`, 422, []string{"role_arn"}},
		"no role ARN":              {`{"name":"a","cloud":"aws","destination":"s3://acme-audit/"}`, 422, []string{"role_arn"}},
		"tenant ID on AWS":         {`{"name":"a","cloud":"aws","destination":"s3://acme-audit/",` + roleARN + `,"tenant_id":"x"}`, 422, []string{"tenant_id"}},
		"tenant ID of a name":      {`{"name":"a","cloud":"azure","destination":"azure://acme.blob.core.windows.net/logs/","tenant_id":"acme"}`, 422, []string{"tenant_id"}},
		"role ARN on GCP":          {`{"name":"a","cloud":"gcp","destination":"gs://acme-audit/",` + roleARN + `}`, 422, []string{"role_arn"}},
		"bucket owner of a name":   {`{"name":"a","cloud":"aws","destination":"s3://acme-audit/",` + roleARN + `,"bucket_owner":"acme"}`, 422, []string{"bucket_owner"}},
		"bucket owner on GCP":      {`{"name":"a","cloud":"gcp","destination":"gs://acme-audit/","bucket_owner":"123456789012"}`, 422, []string{"bucket_owner"}},
		"several at once":          {`{"name":" a","cloud":"aws","destination":"s3://A/","role_arn":"x"}`, 422, []string{"name", "destination", "role_arn"}},
		"all of a grant":           {`{"name":"a","cloud":"aws","destination":"acme","role_arn":"x","bucket_owner":"x"}`, 422, []string{"destination", "role_arn", "bucket_owner"}},
		"a destination in use":     {`{"name":"a","cloud":"aws","destination":"s3://taken/logs/",` + roleARN + `}`, 409, nil},
		"a folder above one":       {`{"name":"a","cloud":"aws","destination":"s3://taken/",` + roleARN + `}`, 409, nil},
		"a folder below one":       {`{"name":"a","cloud":"aws","destination":"s3://taken/logs/2026/",` + roleARN + `}`, 409, nil},
		"deeply nested JSON":       {strings.Repeat(`{"name":`, 100_000), 400, nil},
		"duplicates with a twist":  {`{"name":"a","name":7,"cloud":"aws","destination":"s3://acme-audit/",` + roleARN + `}`, 422, []string{"name"}},
		"invalid UTF-8 in a value": {"{\"name\":\"a\xff\",\"cloud\":\"gcp\",\"destination\":\"gs://acme-audit/\"}", 400, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := s.post(t, o.admin(), "/v1/integrations", test.body).problem(t, test.status)
			require.ElementsMatch(t, test.fields, p.fields(), "%+v", p)
		})
	}
	require.Equal(t, before, s.census(t, o), "nothing may be half-written")
}

// census counts what the organization has, the audit events of what was done
// included. What was refused is recorded as well, and does not count.
func (s *server) census(t *testing.T, o tenant) [3]int {
	t.Helper()
	var integrations, exports struct{ Items []any }
	s.get(t, o.admin(), "/v1/integrations?limit=200").is(t, http.StatusOK, &integrations)
	s.get(t, o.admin(), "/v1/exports?limit=200").is(t, http.StatusOK, &exports)
	var refused struct{ Items []any }
	s.get(t, o.admin(), "/v1/events?outcome=failure&limit=200").is(t, http.StatusOK, &refused)
	var newest int64
	s.inOrg(t, o, func(tx *postgres.Tx) (err error) {
		_, newest, err = tx.RetainedEvents(t.Context())
		return err
	})
	return [3]int{len(integrations.Items), len(exports.Items), int(newest) - len(refused.Items)}
}

func TestBadExports(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	integration := s.newAWS(t, o, "s3://acme-audit/")
	s.newExport(t, o, "taken", integration)
	before := s.census(t, o)

	body := func(more string) string {
		return fmt.Sprintf(`{"name":"hourly","integration_id":%q,%s}`, integration, more)
	}
	for name, test := range map[string]struct {
		body   string
		status int
		fields []string
	}{
		"no schedule":            {body(`"format":"ndjson"`), 422, []string{"schedule"}},
		"unknown schedule":       {body(`"schedule":{"kind":"hourly"}`), 422, []string{"schedule.kind"}},
		"unknown member":         {body(`"schedule":{"kind":"interval","every":"1h","minutes":5}`), 422, []string{"schedule.minutes"}},
		"interval too short":     {body(`"schedule":{"kind":"interval","every":"1s"}`), 422, []string{"schedule.every"}},
		"interval with a time":   {body(`"schedule":{"kind":"interval","every":"1h","at":"02:00"}`), 422, []string{"schedule.at"}},
		"no time of day":         {body(`"schedule":{"kind":"daily","at":"25:00"}`), 422, []string{"schedule.at"}},
		"no day of the week":     {body(`"schedule":{"kind":"weekly","at":"02:00","weekdays":["caturday"]}`), 422, []string{"schedule.weekdays"}},
		"cron with four fields":  {body(`"schedule":{"kind":"cron","cron":"0 2 * *"}`), 422, []string{"schedule.cron"}},
		"cron with minute 61":    {body(`"schedule":{"kind":"cron","cron":"61 2 * * *"}`), 422, []string{"schedule.cron"}},
		"cron that never comes":  {body(`"schedule":{"kind":"cron","cron":"0 0 30 2 *"}`), 422, []string{"schedule.cron"}},
		"unknown time zone":      {body(`"schedule":{"kind":"daily","at":"02:00","time_zone":"Europe/Atlantis"}`), 422, []string{"schedule.time_zone"}},
		"local time zone":        {body(`"schedule":{"kind":"daily","at":"02:00","time_zone":"Local"}`), 422, []string{"schedule.time_zone"}},
		"negative jitter":        {body(`"schedule":{"kind":"interval","every":"1h","jitter":"-5m"}`), 422, []string{"schedule.jitter"}},
		"unknown format":         {body(`"schedule":{"kind":"interval","every":"1h"},"format":"xml"`), 422, []string{"format"}},
		"unknown compression":    {body(`"schedule":{"kind":"interval","every":"1h"},"compression":"lz4"`), 422, []string{"compression"}},
		"several at once":        {body(`"schedule":{"kind":"weekly","weekdays":[],"at":"2","time_zone":"Nowhere/Land"},"filter":{"actions":["*"],"except_actions":["*"]}`), 422, []string{"schedule.weekdays", "schedule.at", "schedule.time_zone", "filter.actions[0]", "filter.except_actions[0]"}},
		"path that leaves":       {body(`"schedule":{"kind":"interval","every":"1h"},"path_template":"../{YYYY}"`), 422, []string{"path_template"}},
		"path with a variable":   {body(`"schedule":{"kind":"interval","every":"1h"},"path_template":"{ORG}"`), 422, []string{"path_template"}},
		"path of the service":    {body(`"schedule":{"kind":"interval","every":"1h"},"path_template":"_manifests"`), 422, []string{"path_template"}},
		"unknown start":          {body(`"schedule":{"kind":"interval","every":"1h"},"start_from":"yesterday"`), 422, []string{"start_from"}},
		"integration of no form": {`{"name":"hourly","integration_id":"acme","schedule":{"kind":"interval","every":"1h"}}`, 422, []string{"integration_id"}},
		"unknown integration":    {fmt.Sprintf(`{"name":"hourly","integration_id":%q,"schedule":{"kind":"interval","every":"1h"}}`, uuid.New()), 404, nil},
		"a name in use":          {fmt.Sprintf(`{"name":"taken","integration_id":%q,"schedule":{"kind":"interval","every":"1h"}}`, integration), 409, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := s.post(t, o.admin(), "/v1/exports", test.body).problem(t, test.status)
			require.ElementsMatch(t, test.fields, p.fields(), "%+v", p)
		})
	}
	require.Equal(t, before, s.census(t, o), "nothing may be half-written")
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	own := s.fill(t, o, "acme-audit")
	export := "/v1/exports/" + own["export_id"].String()
	integration := "/v1/integrations/" + own["integration_id"].String()

	for name, test := range map[string]struct {
		request
		status int
		fields []string
	}{
		"unknown address":             {request{method: "GET", path: "/v1/nothing"}, 404, nil},
		"slash at the end":            {request{method: "GET", path: "/v1/exports/"}, 404, nil},
		"unknown method":              {request{method: "PUT", path: "/v1/exports"}, 405, nil},
		"ID of no form":               {request{method: "GET", path: "/v1/exports/7"}, 400, []string{"export_id"}},
		"unknown ID":                  {request{method: "GET", path: "/v1/exports/" + uuid.NewString()}, 404, nil},
		"nil ID":                      {request{method: "GET", path: "/v1/exports/" + uuid.Nil.String()}, 404, nil},
		"run of another export":       {request{method: "GET", path: "/v1/exports/" + uuid.NewString() + "/runs/" + own["run_id"].String()}, 404, nil},
		"unknown parameter":           {request{method: "DELETE", path: integration + "?delete_export=true"}, 400, []string{"delete_export"}},
		"parameter of another type":   {request{method: "DELETE", path: integration + "?delete_exports=perhaps"}, 400, []string{"delete_exports"}},
		"page of nothing":             {request{method: "GET", path: "/v1/exports?limit=0"}, 400, []string{"limit"}},
		"page of too much":            {request{method: "GET", path: "/v1/exports?limit=201"}, 400, []string{"limit"}},
		"cursor of another hand":      {request{method: "GET", path: "/v1/exports?cursor=x"}, 422, []string{"cursor"}},
		"cursor of another list":      {request{method: "GET", path: "/v1/events?cursor=AZrWZ5UvcF2LqHzzcJj0EA"}, 422, []string{"cursor"}},
		"negative cursor":             {request{method: "GET", path: "/v1/events?cursor=LTU"}, 422, []string{"cursor"}},
		"wait of a minute and more":   {request{method: "GET", path: "/v1/operations/" + own["operation_id"].String() + "?wait=61s"}, 400, []string{"wait"}},
		"search for a time of day":    {request{method: "GET", path: "/v1/events?from=noon"}, 400, []string{"from"}},
		"several parameters":          {request{method: "GET", path: "/v1/events?limit=0&from=noon"}, 400, []string{"limit", "from"}},
		"parameter and body":          {request{method: "POST", path: export + "/relink", idempotencyKey: "a b", body: `{}`}, 400, []string{"Idempotency-Key", "integration_id"}},
		"search backwards":            {request{method: "GET", path: "/v1/events?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"}, 422, []string{"from"}},
		"search for NUL":              {request{method: "GET", path: "/v1/events?action=a%00b"}, 422, []string{"action"}},
		"search for invalid UTF-8":    {request{method: "GET", path: "/v1/events?actor_email=%ff"}, 422, []string{"actor_email"}},
		"search that cannot be read":  {request{method: "GET", path: "/v1/events?limit=1;outcome=failure"}, 400, nil},
		"search for an outcome":       {request{method: "GET", path: "/v1/events?outcome=maybe"}, 400, []string{"outcome"}},
		"body where none is taken":    {request{method: "POST", path: export + "/pause", body: `{"retarget":true}`}, 400, nil},
		"body of another type":        {request{method: "POST", path: "/v1/exports", body: `name: x`, contentType: "application/yaml"}, 415, nil},
		"events of another type":      {request{method: "POST", path: "/v1/events", body: `a,b`, contentType: "text/csv"}, 415, nil},
		"command of more than 1 MiB":  {request{method: "POST", path: "/v1/exports", body: `{"name":"` + strings.Repeat("x", 1<<20) + `"}`}, 413, nil},
		"empty edit":                  {request{method: "PATCH", path: export, body: `{}`}, 422, []string{"body"}},
		"edit of what is fixed":       {request{method: "PATCH", path: export, body: `{"slug":"x"}`}, 422, []string{"slug"}},
		"null instead of leaving out": {request{method: "PATCH", path: export, body: `{"name":null}`}, 422, []string{"name"}},
		"edit to a wrong schedule":    {request{method: "PATCH", path: export, body: `{"schedule":{"kind":"cron","cron":"x"}}`}, 422, []string{"schedule.cron"}},
		"move to another cloud":       {request{method: "POST", path: integration + "/destination", body: `{"destination":"gs://acme-audit/"}`}, 422, []string{"destination"}},
		"move to the same place":      {request{method: "POST", path: integration + "/destination", body: `{"destination":"s3://acme-audit"}`}, 422, []string{"destination"}},
		"move to an owner of a name":  {request{method: "POST", path: integration + "/destination", body: `{"destination":"s3://acme-new/","bucket_owner":"acme"}`}, 422, []string{"bucket_owner"}},
		"move of two mistakes":        {request{method: "POST", path: integration + "/destination", body: `{"destination":"s3://","bucket_owner":"acme"}`}, 422, []string{"destination", "bucket_owner"}},
		"check of what is not known":  {request{method: "POST", path: integration + "/check-access", body: `{"force":true}`}, 422, []string{"force"}},
		"ownership without a code":    {request{method: "POST", path: integration + "/ownership", body: `{}`}, 422, []string{"code"}},
		"ownership with a long code":  {request{method: "POST", path: integration + "/ownership", body: `{"code":"` + strings.Repeat("x", 1001) + `"}`}, 422, []string{"code"}},
		"attempts behind nothing":     {request{method: "GET", path: integration + "/access-attempts?cursor=AAAA"}, 422, []string{"cursor"}},
		"attempts behind too much":    {request{method: "GET", path: integration + "/access-attempts?cursor=_____wAAAAE"}, 422, []string{"cursor"}},
		"guide for nothing":           {request{method: "GET", path: "/v1/setup"}, 400, []string{"cloud", "destination"}},
		"guide for an unknown cloud":  {request{method: "GET", path: "/v1/setup?cloud=oci&destination=s3://acme/"}, 400, []string{"cloud"}},
		"guide for two clouds":        {request{method: "GET", path: "/v1/setup?cloud=aws&destination=gs://acme-audit/"}, 422, []string{"destination"}},
		"guide for wrong values":      {request{method: "GET", path: "/v1/setup?cloud=aws&destination=s3://A/&role_arn=x"}, 422, []string{"destination", "role_arn"}},
		"guide for a wrong owner":     {request{method: "GET", path: "/v1/setup?cloud=aws&destination=s3://acme-audit/&bucket_owner=x"}, 422, []string{"bucket_owner"}},
		"guide for a wrong tenant":    {request{method: "GET", path: "/v1/setup?cloud=azure&destination=azure://acme.blob.core.windows.net/logs/&tenant_id=acme"}, 422, []string{"tenant_id"}},
		"guide for a strange member":  {request{method: "GET", path: "/v1/setup?cloud=gcp&destination=gs://acme-audit/&role_arn=x"}, 422, []string{"role_arn"}},
		"relink of no form":           {request{method: "POST", path: export + "/relink", body: `{"integration_id":"x"}`}, 422, []string{"integration_id"}},
		"operator key for an admin":   {request{method: "POST", path: "/v1/api-keys", body: `{"name":"root","role":"operator"}`}, 422, []string{"role"}},
		"address with a name":         {request{method: "PATCH", path: "/v1/org", body: `{"notice_emails":["Ada <ada@acme.example>"]}`}, 422, []string{"notice_emails[0]"}},
		"address named twice":         {request{method: "PATCH", path: "/v1/org", body: `{"notice_emails":["a@acme.example","b@acme.example","a@acme.example"]}`}, 422, []string{"notice_emails[2]"}},
		"too many addresses":          {request{method: "PATCH", path: "/v1/org", body: `{"notice_emails":["a@acme.example"` + strings.Repeat(`,"b@acme.example"`, 20) + `]}`}, 422, []string{"notice_emails"}},
		"address with a header":       {request{method: "PATCH", path: "/v1/org", body: `{"notice_emails":["ada@acme.example","a@b\r\nBcc: c@d"]}`}, 422, []string{"notice_emails[1]"}},
	} {
		t.Run(name, func(t *testing.T) {
			test.key = o.admin()
			p := s.do(t, test.request).problem(t, test.status)
			require.ElementsMatch(t, test.fields, p.fields(), "%+v", p)
		})
	}
}

func TestCredentialsMustBeThoseOfTheCloud(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	integration := s.newAWS(t, o, "s3://acme-audit/")
	path := "/v1/integrations/" + integration.String() + "/provisioning"
	for _, credentials := range []string{
		`{}`,
		`{"gcp":{"service_account":"exports@acme-1.iam.gserviceaccount.com"}}`,
		`{"aws":{"external_id":"x","iam_user_arn":"arn:aws:iam::999999999999:user/auditferry"}}`,
		`{"aws":{"external_id":"good-id","iam_user_arn":"arn:aws:iam::999999999999:role/auditferry"}}`,
		`{"aws":{"external_id":"good-id"}}`,
		`{"oci":{}}`,
	} {
		s.post(t, operatorKey, path, fmt.Sprintf(`{"org_id":%q,"credentials":%s}`, o.id, credentials)).problem(t, http.StatusUnprocessableEntity)
	}
	require.Len(t, s.dispatcher.dispatched(), 1, "only the creation")
}

// Invariant 7, and everything unexpected: nothing of the inside goes out, all of
// it is in the log.
func TestUnexpectedErrorsStayInside(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	s.store.Close()
	p := s.get(t, o.admin(), "/v1/org").problem(t, http.StatusInternalServerError)
	require.Equal(t, "Internal error.", p.Detail)
	lines := s.log.FilterMessage("request failed").FilterField(requestID(p)).All()
	require.Len(t, lines, 1)
	require.Contains(t, lines[0].ContextMap()["error"], "closed pool")
	for _, line := range s.log.All() {
		for name, value := range line.ContextMap() {
			require.NotContains(t, fmt.Sprint(value), o.admin(), "the log shows an API key in %s", name)
		}
	}
}

func TestAccessLogNamesOrgAndKey(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	answer := s.get(t, o.admin(), "/v1/org")
	answer.is(t, http.StatusOK, nil)
	lines := func() *observer.ObservedLogs {
		return s.log.FilterMessage("request").FilterField(requestID(problem{RequestID: answer.header.Get("X-Request-Id")}))
	}
	// The line is written when the answer has left.
	require.Eventually(t, func() bool { return lines().Len() == 1 }, patience, time.Millisecond)
	fields := lines().All()[0].ContextMap()
	require.Equal(t, o.id.String(), fields["org"])
	require.NotEmpty(t, fields["api_key"])
	require.EqualValues(t, http.StatusOK, fields["status"])
}
