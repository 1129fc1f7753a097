package setup_test

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/auditferry/auditferry/internal/setup"
	"github.com/auditferry/auditferry/schemas"
)

// configuration is a Terraform file, its blocks by type and labels, such as
// "resource aws_iam_role auditferry".
type configuration map[string]*hclsyntax.Body

func terraform(t *testing.T, i schemas.Integration, name string) configuration {
	t.Helper()
	text := document(t, i, name)
	require.Equal(t, text, string(hclwrite.Format([]byte(text))), "as terraform fmt would write it")
	file, diagnostics := hclsyntax.ParseConfig([]byte(text), name, hcl.InitialPos)
	require.False(t, diagnostics.HasErrors(), diagnostics.Error())
	blocks := configuration{}
	for _, block := range file.Body.(*hclsyntax.Body).Blocks {
		blocks[strings.Join(append([]string{block.Type}, block.Labels...), " ")] = block.Body
	}
	return blocks
}

// attributes evaluates all attributes of a block as Terraform does.
func (c configuration) attributes(t *testing.T, block string) map[string]any {
	t.Helper()
	require.Contains(t, c, block)
	context := &hcl.EvalContext{
		Functions: map[string]function.Function{"jsonencode": stdlib.JSONEncodeFunc},
		Variables: map[string]cty.Value{
			"var":                            text("project", "acme-prod", "subscription_id", "6f0e", "resource_group", "logs"),
			"aws_iam_role":                   cty.ObjectVal(map[string]cty.Value{"auditferry": text("id", "the role's id")}),
			"google_project_iam_custom_role": cty.ObjectVal(map[string]cty.Value{"auditferry": text("id", "the role's id")}),
			"data": cty.ObjectVal(map[string]cty.Value{
				"aws_caller_identity":       cty.ObjectVal(map[string]cty.Value{"current": text("account_id", "210987654321")}),
				"azuread_service_principal": cty.ObjectVal(map[string]cty.Value{"auditferry": text("object_id", "the app's object")}),
			}),
		},
	}
	values := map[string]any{}
	for name, attribute := range c[block].Attributes {
		value, diagnostics := attribute.Expr.Value(context)
		require.False(t, diagnostics.HasErrors(), diagnostics.Error())
		if value.Type() == cty.String {
			values[name] = value.AsString()
			continue
		}
		var list []string
		for _, element := range value.AsValueSlice() {
			list = append(list, element.AsString())
		}
		values[name] = list
	}
	return values
}

// text is an object of strings.
func text(namesAndValues ...string) cty.Value {
	members := map[string]cty.Value{}
	for n := 0; n < len(namesAndValues); n += 2 {
		members[namesAndValues[n]] = cty.StringVal(namesAndValues[n+1])
	}
	return cty.ObjectVal(members)
}

func TestAWSTerraform(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "audit/logs", oddPrefix, "\u76e3\u67fb"} {
		c := terraform(t, integration(t, "s3://acme-logs/"+prefix), setup.AWSTerraform)
		role := c.attributes(t, "resource aws_iam_role auditferry")
		require.Equal(t, "audit-export", role["name"])
		require.Equal(t, "/logging/", role["path"])
		require.Equal(t, trustOf(userARN, externalID), parsed(t, role["assume_role_policy"].(string)))
		policy := c.attributes(t, "resource aws_iam_role_policy auditferry")
		require.Equal(t, "the role's id", policy["role"])
		require.Equal(t, "auditferry-audit-export", policy["name"], "as the commands call it")
		require.Equal(t, permissionsOf("arn:aws:s3:::acme-logs", prefix), parsed(t, policy["policy"].(string)))
	}
}

// A role must never trust the placeholder's account, which is somebody's.
func TestAWSTerraformBeforeCredentials(t *testing.T) {
	t.Parallel()
	for _, i := range []schemas.Integration{without(integration(t, onAWS)), preview(integration(t, onAWS))} {
		role := terraform(t, i, setup.AWSTerraform).attributes(t, "resource aws_iam_role auditferry")
		require.Equal(t, trustOf("arn:aws:iam::210987654321:root", "0000"), parsed(t, role["assume_role_policy"].(string)))
	}
}

func TestAzureTerraform(t *testing.T) {
	t.Parallel()
	for _, on := range []string{onAzure, "azure://acmelogs.blob.core.windows.net/audit/", "azure://acmelogs.blob.core.windows.net/audit/" + oddPrefix} {
		c := terraform(t, integration(t, on), setup.AzureTerraform)
		require.Equal(t, map[string]any{"client_id": clientID}, c.attributes(t, "data azuread_service_principal auditferry"))
		require.Equal(t, map[string]any{
			"scope":                "/subscriptions/6f0e/resourceGroups/logs/providers/Microsoft.Storage/storageAccounts/acmelogs/blobServices/default/containers/audit",
			"role_definition_name": "Storage Blob Data Contributor",
			"principal_id":         "the app's object",
			"principal_type":       "ServicePrincipal",
		}, c.attributes(t, "resource azurerm_role_assignment auditferry"))
		require.Equal(t, tenant, c.attributes(t, "provider azuread")["tenant_id"])
		require.Equal(t, map[string]any{"tenant_id": tenant, "subscription_id": "6f0e"}, c.attributes(t, "provider azurerm"))
	}
	require.Contains(t, document(t, integration(t, onAzure), setup.AzureTerraform), consentURL)
}

func TestGCPTerraform(t *testing.T) {
	t.Parallel()
	for _, on := range []string{onGCP, "gs://acme-logs/", "gs://acme-logs/" + oddPrefix} {
		c := terraform(t, integration(t, on), setup.GCPTerraform)
		role := c.attributes(t, "resource google_project_iam_custom_role auditferry")
		require.Equal(t, "acme-prod", role["project"])
		require.Equal(t, "auditferryAuditExport", role["role_id"])
		require.Equal(t, []string{"storage.objects.create", "storage.objects.delete", "storage.objects.list", "storage.buckets.get"}, role["permissions"])
		require.Equal(t, map[string]any{
			"bucket": "acme-logs", "role": "the role's id", "member": "serviceAccount:" + account,
		}, c.attributes(t, "resource google_storage_bucket_iam_member auditferry"))
	}
}

// Every file is one for Terraform, with or without credentials.
func TestTerraformParses(t *testing.T) {
	t.Parallel()
	for name, i := range cases(t) {
		for _, d := range guide(t, i).Documents {
			if d.Format == schemas.SetupTerraform {
				require.Contains(t, terraform(t, i, d.Name), "terraform", name)
			}
		}
	}
}
