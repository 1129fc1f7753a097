//go:build !linux

package stack

// hasAttribute tells whether a file has the extended attribute. Elsewhere than
// on Linux nobody looks, and a kill of fake-gcs-server may leave half an object.
func hasAttribute(string, string) (bool, error) { return true, nil }

// descendants are the processes that pid has started. Elsewhere than on Linux
// none are found, and a killed Postgres may take a while to start again.
func descendants(int) []int { return nil }

// halt stops a process. Elsewhere than on Linux it is left to run on.
func halt(int) {}
