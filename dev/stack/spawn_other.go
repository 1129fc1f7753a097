//go:build !linux

package stack

import (
	"os/exec"
	"syscall"
)

// spawn starts cmd. Only Linux can end it together with a program that was
// killed; elsewhere a kill -9 of the stack leaves its servers running.
func spawn(cmd *exec.Cmd, _ syscall.Signal) error { return cmd.Start() }
