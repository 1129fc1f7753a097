// Package schemas is the contract of Auditferry: every value that crosses a
// process boundary, be it over HTTP, through Temporal or into Postgres, and
// the names under which it travels.
//
// Old bytes must still decode: a field is added, never renamed or given
// another meaning. The golden files in testdata hold that promise.
package schemas
