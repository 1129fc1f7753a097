package schemas

import "embed"

// Migrations holds the database's schema as goose migrations, in the folder
// migrations. Their numbers have no gaps, and a released one is never edited.
//
//go:embed migrations/*.sql
var Migrations embed.FS
