// Package activities is where workflows touch the world: Postgres, the clouds,
// SMTP and Temporal itself. One struct per concern, its dependencies as fields.
package activities
