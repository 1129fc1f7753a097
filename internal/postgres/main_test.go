package postgres_test

import (
	"os"
	"testing"

	"github.com/auditferry/auditferry/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Run(m)) }
