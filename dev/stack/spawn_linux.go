package stack

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// spawn starts cmd so that it gets the signal death when this program ends,
// even by kill -9.
//
// Linux ties that to the thread that forked, not to the program, so all
// children are forked by one goroutine that keeps its thread for ever.
func spawn(cmd *exec.Cmd, death syscall.Signal) error {
	startForker()
	cmd.SysProcAttr.Pdeathsig = death
	result := make(chan error)
	forks <- func() { result <- cmd.Start() }
	return <-result
}

var forks = make(chan func())

var startForker = sync.OnceFunc(func() {
	go func() {
		runtime.LockOSThread()
		for fork := range forks {
			fork()
		}
	}()
})
