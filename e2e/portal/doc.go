// Package portal tests the portal as people use it: in a real browser, on a
// stack of real servers.
package portal
