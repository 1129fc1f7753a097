package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres/postgrestest"
)

func TestPing(t *testing.T) {
	t.Parallel()
	store, _, _ := postgrestest.New(t)
	require.NoError(t, store.Ping(t.Context()))
}
