package provision_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/cloudsim"
	"github.com/auditferry/auditferry/internal/provision"
	"github.com/auditferry/auditferry/schemas"
)

func account(email string) (found cloudsim.ServiceAccount, exists bool) {
	all := clouds.Grants().ServiceAccounts
	n := slices.IndexFunc(all, func(a cloudsim.ServiceAccount) bool { return a.Email == email })
	if n < 0 {
		return cloudsim.ServiceAccount{}, false
	}
	return all[n], true
}

// Every integration gets an account of its own, and the same one however often
// it is asked for; Invariant 6: no other integration does.
func TestGCPAccounts(t *testing.T) {
	t.Parallel()
	g := gcpAccounts(t, project, clouds.Endpoints().IAM)
	i, other := integration(schemas.GCP), integration(schemas.GCP)
	first := issued(t, g, i)
	require.True(t, first.Exclusive)
	email := first.Credentials.GCP.ServiceAccount
	require.Regexp(t, `^af-[a-z2-7]{25}@auditferry-dev\.iam\.gserviceaccount\.com$`, email)
	made, exists := account(email)
	require.True(t, exists)
	require.Equal(t, "Auditferry "+i.ID.String(), made.DisplayName)

	again := gcpAccounts(t, project, clouds.Endpoints().IAM) // a worker that knows of nothing
	require.Equal(t, first, issued(t, again, i))
	still, _ := account(email)
	require.Equal(t, made, still, "made once")
	require.NotEqual(t, first, issued(t, g, other))

	for range 2 {
		require.NoError(t, g.Revoke(t.Context(), i))
	}
	_, exists = account(email)
	require.False(t, exists)
	require.NoError(t, g.Revoke(t.Context(), integration(schemas.GCP)), "what was never made is gone as well")
	_, exists = account(issued(t, g, other).Credentials.GCP.ServiceAccount)
	require.True(t, exists, "only the integration's own account is deleted")
}

// Two workers that are asked at once make one account.
func TestGCPAccountsRace(t *testing.T) {
	t.Parallel()
	g, i := gcpAccounts(t, project, clouds.Endpoints().IAM), integration(schemas.GCP)
	got := make([]provision.Issued, 4)
	failures := make([]error, len(got))
	var all sync.WaitGroup
	for n := range got {
		all.Go(func() { got[n], _, failures[n] = g.Provision(t.Context(), i) })
	}
	all.Wait()
	for n := range got {
		require.NoError(t, failures[n])
		require.Equal(t, got[0], got[n])
	}
}

// An account of the right name that somebody else has made is not used: whoever
// made it may hold its keys.
func TestGCPAccountsRefuseAnothersAccount(t *testing.T) {
	t.Parallel()
	g, i := gcpAccounts(t, project, clouds.Endpoints().IAM), integration(schemas.GCP)
	email := issued(t, g, i).Credentials.GCP.ServiceAccount
	require.NoError(t, clouds.DeleteServiceAccount(email))
	require.NoError(t, clouds.CreateServiceAccount(email))

	_, made, err := g.Provision(t.Context(), i)
	require.ErrorContains(t, err, email+` exists and has the display name ""`)
	require.ErrorContains(t, err, "delete it if nothing uses it")
	require.False(t, made)
}

func TestGCPAccountsSayWhichRoleIsMissing(t *testing.T) {
	t.Parallel()
	g := gcpAccounts(t, "somebody-elses", clouds.Endpoints().IAM)
	i := integration(schemas.GCP)
	_, made, err := g.Provision(t.Context(), i)
	require.False(t, made)
	for _, err := range []error{err, g.Revoke(t.Context(), i)} {
		for _, what := range []string{"in the project somebody-elses", "roles/iam.serviceAccountAdmin", "roles/iam.serviceAccountTokenCreator"} {
			require.ErrorContains(t, err, what)
		}
	}
}

// Answers that the simulator does not give.
func TestGCPAccountsErrors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		says   string
	}{
		"full project": {http.StatusTooManyRequests, "raise its quota of service accounts"},
		"outage":       {http.StatusServiceUnavailable, "503"},
		// A token is for Google alone: nobody can send it elsewhere.
		"redirect": {http.StatusTemporaryRedirect, "307"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				t.Error("the redirect was followed")
			}))
			t.Cleanup(elsewhere.Close)
			iam := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", elsewhere.URL)
				w.WriteHeader(test.status)
			}))
			t.Cleanup(iam.Close)
			g, i := gcpAccounts(t, project, iam.URL), integration(schemas.GCP)
			_, made, err := g.Provision(t.Context(), i)
			require.False(t, made)
			require.ErrorContains(t, err, test.says)
			require.ErrorContains(t, g.Revoke(t.Context(), i), test.says)
		})
	}
}

// An account that is there a moment after it could not be made, and cannot be
// read yet: the next attempt will.
func TestGCPAccountsThatAreNotReadableYet(t *testing.T) {
	t.Parallel()
	iam := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusConflict)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(iam.Close)
	_, made, err := gcpAccounts(t, project, iam.URL).Provision(t.Context(), integration(schemas.GCP))
	require.False(t, made)
	require.ErrorContains(t, err, "404")
}

// Credentials are looked for when they are needed, and again when they were not
// there. It sets the environment, so it runs alone.
func TestGCPAccountsFindTheWorkersIdentity(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "missing.json"))
	g, err := provision.NewGCPAccounts(t.Context(), project, "")
	require.NoError(t, err)
	_, _, err = g.Provision(t.Context(), integration(schemas.GCP))
	require.ErrorContains(t, err, "find the worker's own Google credentials")

	over := gcpAccounts(t, project, clouds.Endpoints().IAM)
	_, _, err = over.Provision(t.Context(), integration(schemas.GCP))
	require.ErrorContains(t, err, "find the worker's own Google credentials")
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", clouds.Endpoints().GoogleKeyFile)
	issued(t, over, integration(schemas.GCP))
}

// An account is read only when it is there already, and nothing else is done
// with it.
func TestGCPAccountsPermissions(t *testing.T) {
	t.Parallel()
	g, i := gcpAccounts(t, project, clouds.Endpoints().IAM), integration(schemas.GCP)
	email := issued(t, g, i).Credentials.GCP.ServiceAccount
	issued(t, g, i)
	require.NoError(t, g.Revoke(t.Context(), i))
	var used []string
	for _, r := range clouds.Requests() {
		if r.Resource == email && strings.HasPrefix(r.Permission, "iam.") {
			used = append(used, r.Permission)
		}
	}
	require.Equal(t, []string{"iam.serviceAccounts.get", "iam.serviceAccounts.delete"}, used)
}
