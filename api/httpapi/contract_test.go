package httpapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

func TestContractIsValid(t *testing.T) {
	t.Parallel()
	document, err := openapi3.NewLoader().LoadFromData(schemas.OpenAPI)
	require.NoError(t, err)
	require.NoError(t, document.Validate(t.Context(), openapi3.EnableExamplesValidation()))

	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			require.NotEmpty(t, operation.OperationID, path)
			require.NotEmpty(t, operation.Summary, path)
			require.Len(t, operation.Tags, 1, path)
			require.True(t, slices.ContainsFunc(document.Tags, func(tag *openapi3.Tag) bool { return tag.Name == operation.Tags[0] }), path)
			if !strings.HasPrefix(path, "/v1/") {
				continue
			}
			require.NotNil(t, operation.Responses.Default(), "%s %s says nothing of problems", method, path)
			takesKey := operation.Parameters.GetByInAndName(openapi3.ParameterInHeader, "Idempotency-Key") != nil
			require.Equal(t, method == http.MethodPost, takesKey, "every POST, and no other call, takes an Idempotency-Key: %s %s", method, path)
			if operation.RequestBody != nil && operation.OperationID != "AppendEvents" {
				body := operation.RequestBody.Value.Content.Get("application/json").Schema.Value
				require.NotNil(t, body.AdditionalProperties.Has, "%s takes unknown members", operation.OperationID)
				require.False(t, *body.AdditionalProperties.Has, "%s takes unknown members", operation.OperationID)
			}
		}
	}
}

func TestEveryOperationIsRouted(t *testing.T) {
	t.Parallel()
	s := setup(t)
	document, err := openapi3.NewLoader().LoadFromData(schemas.OpenAPI)
	require.NoError(t, err)
	for path, item := range document.Paths.Map() {
		for method := range item.Operations() {
			answer := s.do(t, request{method: method, path: path})
			if strings.HasPrefix(path, "/v1/") {
				answer.problem(t, http.StatusUnauthorized) // found, and guarded
				continue
			}
			answer.is(t, http.StatusOK, nil)
		}
	}
}

func TestServicePages(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	s.get(t, o.admin(), "/v1/org").is(t, http.StatusOK, nil)

	require.Equal(t, schemas.OpenAPI, s.get(t, "", "/openapi.yaml").body)
	docs := string(s.get(t, "", "/docs").body)
	require.Contains(t, docs, "POST /v1/integrations/{integration_id}/destination")
	require.Contains(t, docs, "<td><code>schedule.kind</code> (required)</td><td>interval | daily | weekly | cron</td>", "what to send")
	require.Contains(t, docs, "<td><code>delete_exports</code></td><td>boolean</td>")
	var metrics string
	require.Eventually(t, func() bool { // requests are counted when their answer has left
		metrics = string(s.get(t, "", "/metrics").body)
		return strings.Contains(metrics, `auditferry_http_requests_total{method="GET",route="/v1/org",status="200"} 1`)
	}, patience, 10*time.Millisecond)
	require.NotContains(t, metrics, o.id.String())

	s.get(t, "", "/readyz").is(t, http.StatusOK, nil)
	s.store.Close()
	s.get(t, "", "/readyz").problem(t, http.StatusServiceUnavailable)
	s.get(t, "", "/healthz").is(t, http.StatusOK, nil)
}
