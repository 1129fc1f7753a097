package stack

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// hasAttribute tells whether a file has the extended attribute.
func hasAttribute(path, name string) (bool, error) {
	_, err := syscall.Getxattr(path, name, nil)
	if errors.Is(err, syscall.ENODATA) {
		return false, nil
	}
	if err != nil {
		return false, &os.PathError{Op: "getxattr", Path: path, Err: err}
	}
	return true, nil
}

// descendants are the processes that pid has started, and those that they have
// started, as far as they still run.
func descendants(pid int) []int {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil // the pattern is right
	}
	children := map[int][]int{}
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended meanwhile
		}
		// "<pid> (<name>) <state> <parent> ...", and the name may hold anything.
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if err != nil || len(fields) < 2 {
			continue
		}
		if parent, err := strconv.Atoi(string(fields[1])); err == nil {
			children[parent] = append(children[parent], child)
		}
	}
	all := children[pid]
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}
