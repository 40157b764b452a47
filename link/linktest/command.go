package linktest

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// patience is how long a test may take that has to do with other processes, however busy
// the machine is.
const patience = 5 * time.Minute

// Command returns a program for the test's goroutine to run. It is killed at the end of the
// test if it still runs then, and on Linux also when the test's own process is gone, however
// that has ended. The test is Bound.
func Command(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	Bound(t)
	// What is started dies with the thread that has started it.
	runtime.LockOSThread()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, name, args...)
	dieWithParent(cmd)
	t.Cleanup(func() {
		cancel()
		if cmd.Process != nil && cmd.ProcessState == nil {
			cmd.Wait()
		}
		runtime.UnlockOSThread()
	})
	return cmd
}

// Bound ends the whole run, with the stacks of all goroutines, when the test has not ended
// after five minutes: it waits for what will not come.
func Bound(t testing.TB) {
	name := t.Name()
	timer := time.AfterFunc(patience, func() {
		debug.SetTraceback("all")
		panic(fmt.Sprintf("%s has not ended in %v", name, patience))
	})
	t.Cleanup(func() { timer.Stop() })
}
