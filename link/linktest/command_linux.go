package linktest

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// The test's process, too, dies with the one that has started it: a `go test` that is killed
// leaves nothing. Initialization runs on the main thread, which stays.
func init() {
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
}

func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
