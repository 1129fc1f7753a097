// Package e2e tests the whole system from outside: real servers, the real
// programs as processes, and the actors that use them.
package e2e
