package stack_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/stack"
)

// With the network, a program's way to a server can be cut, and nobody else's
// with it.
func TestLinksCanBeCut(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Postgres, stack.Network)
	links := s.Links()
	require.Equal(t, []stack.Link{{From: stack.API, To: stack.Postgres}, {From: stack.Worker, To: stack.Postgres}}, links)
	reaches := func(program stack.Service) error {
		conn, err := pgx.Connect(t.Context(), variable(t, s.Env(program), "AUDITFERRY_DATABASE_URL"))
		if err != nil {
			return err
		}
		return conn.Close(t.Context())
	}
	require.NoError(t, reaches(stack.API))
	require.NoError(t, reaches(stack.Worker))

	require.NoError(t, s.Proxy(links[1]).Disable())
	require.NoError(t, reaches(stack.API))
	require.Error(t, reaches(stack.Worker))

	require.NoError(t, s.Proxy(links[1]).Enable())
	require.NoError(t, reaches(stack.Worker))
}

// Without it, programs reach the servers themselves.
func TestLinksAreDirect(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Postgres)
	require.Empty(t, s.Links())
	require.Nil(t, s.Proxy(stack.Link{From: stack.API, To: stack.Postgres}))
	require.Equal(t, s.Database.URL, variable(t, s.Env(stack.API), "AUDITFERRY_DATABASE_URL"))
}

func variable(t *testing.T, env []string, name string) string {
	t.Helper()
	for _, pair := range env {
		if value, found := strings.CutPrefix(pair, name+"="); found {
			return value
		}
	}
	require.Fail(t, "no variable "+name)
	return ""
}
