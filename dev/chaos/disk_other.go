//go:build !linux

package chaos

import "errors"

// limitFiles needs Linux; elsewhere no disk gets full.
func limitFiles(int, uint64) (lift func() error, err error) {
	return nil, errors.New("only Linux can limit the files of another process")
}
