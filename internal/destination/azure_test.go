package destination_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/cloudsim"
	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/destination/destinationtest"
	"github.com/auditferry/auditferry/schemas"
)

// azureTarget is a target in a tenant of its own, which has consented and
// assigned the role that the reference asks for.
func (l lab) azureTarget(t *testing.T, at schemas.Destination, granted bool) destination.Target {
	t.Helper()
	tenant := uuid.NewString()
	require.NoError(t, l.clouds.Consent(tenant, clientID))
	if granted {
		order := cloudsim.RoleAssignment{
			TenantID: tenant, Member: "auditferry", Role: cloudsim.StorageBlobDataContributor,
			Account: at.Account, Container: at.Bucket,
		}
		require.NoError(t, l.clouds.AssignRole(order, 0))
	}
	return destination.Target{
		Destination: at,
		Grant:       schemas.Grant{TenantID: tenant},
		Credentials: schemas.Credentials{Azure: &schemas.AzureCredentials{
			ConsentURL:         "https://login.microsoftonline.com/" + tenant + "/oauth2/authorize?client_id=" + clientID,
			MultiTenantAppName: appName,
		}},
	}
}

func (l lab) azureContainer(t *testing.T) schemas.Destination {
	t.Helper()
	at := schemas.Destination{Cloud: schemas.Azure, Account: azureAccount, Bucket: unique("acme"), Prefix: "audit/logs"}
	require.NoError(t, l.stores.CreateBucket(t.Context(), at))
	return at
}

func TestAzure(t *testing.T) {
	t.Parallel()
	l := openLab(t)
	destinationtest.Run(t, func(t *testing.T) destinationtest.Place {
		at := l.azureContainer(t)
		missing := at
		missing.Bucket = unique("missing")
		network, stubborn := &flaky{}, &flaky{}
		// The role that the reference asks for includes deletion, so the
		// refusal of a narrower one is played here.
		stubborn.refuse.Store(&http.Response{
			StatusCode: http.StatusForbidden, Status: "403 Forbidden", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"X-Ms-Error-Code": {"AuthorizationPermissionMismatch"}},
			Body:   io.NopCloser(strings.NewReader("")),
		})
		o := l.opener(t, network, nil)
		granted := l.azureTarget(t, at, true)
		return destinationtest.Place{
			Destination:  at,
			Open:         open(o, granted),
			Denied:       open(o, l.azureTarget(t, at, false)),
			Missing:      open(o, l.azureTarget(t, missing, true)),
			Undeletable:  open(l.opener(t, stubborn, nil), granted),
			LoseResponse: func(*testing.T) { network.lose.Store(1) },
			Read:         l.read(at), Keys: l.keys(at), Store: l.store(at),
		}
	})
}

func TestAzureProbeTellsWhatToDo(t *testing.T) {
	t.Parallel()
	l := openLab(t)
	at := l.azureContainer(t)
	o := l.opener(t, &flaky{}, nil)
	stranger := l.azureTarget(t, at, false)
	stranger.Grant.TenantID = uuid.NewString()
	noAccount := at
	noAccount.Account = "nosuchaccount"
	secret := l.opener(t, &flaky{}, func(cfg *destination.Config) { cfg.Azure.Apps = map[string]string{clientID: "wrong"} })

	strange := l.azureTarget(t, at, true)
	strange.Credentials.Azure = &schemas.AzureCredentials{
		ConsentURL: "https://login.microsoftonline.com/x?client_id=" + uuid.NewString(), MultiTenantAppName: appName,
	}

	tests := map[string]struct {
		opener *destination.Opener
		target destination.Target
		step   schemas.Step
		kind   schemas.ErrorKind
		code   string
		tells  string
	}{
		"no consent":    {o, stranger, "authenticate", schemas.KindDenied, "AADSTS700016", "and accept"},
		"no assignment": {o, l.azureTarget(t, at, false), "write", schemas.KindDenied, "AuthorizationPermissionMismatch", "to the member auditferry."},
		"no account":    {o, l.azureTarget(t, noAccount, true), "write", schemas.KindNotFound, "ResourceNotFound", "Create them"},
		"our secret":    {secret, l.azureTarget(t, at, true), "authenticate", schemas.KindUnavailable, "AADSTS7000215", "the operators of the service"},
		"unknown app":   {o, strange, "authenticate", schemas.KindUnavailable, destination.CodeUnknownApp, "the operators of the service"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report, err := open(test.opener, test.target)(t).Probe(t.Context(), nil)
			require.NoError(t, err)
			failure, _ := report.Failure()
			require.Equal(t, test.step, failure.Name, "%+v", report)
			require.Equal(t, test.kind, failure.Kind, "%+v", failure)
			require.Equal(t, test.code, failure.Code, "%+v", failure)
			require.Contains(t, failure.Fix, test.tells)
			require.NotContains(t, failure.Answer, "\n")
		})
	}
}
