package stack

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
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

// haltLimit is how long halt waits for a process that is busy in the kernel.
const haltLimit = time.Second

// halt stops a process and waits until it does nothing any more. One that has
// ended already is fine, and so is one that takes too long: it is to be killed.
func halt(pid int) {
	if syscall.Kill(pid, syscall.SIGSTOP) != nil {
		return
	}
	for end := time.Now().Add(haltLimit); time.Now().Before(end); time.Sleep(time.Millisecond) {
		fields := statFields(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if len(fields) == 0 || strings.Contains("TtZX", string(fields[0])) { // stopped, or gone
			return
		}
	}
}

// statFields are the fields of a process's stat file from its state on, none
// when it has ended. Before them stands "<pid> (<name>)", and the name may hold
// anything.
func statFields(file string) [][]byte {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
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
		fields := statFields(stat)
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if err != nil || len(fields) < 2 {
			continue // it has ended meanwhile
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
