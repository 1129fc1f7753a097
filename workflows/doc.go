// Package workflows holds the deterministic code: what happens in which order,
// how long to wait and when to give up. Everything that touches the world is an
// activity.
package workflows
