package linktest

import (
	"fmt"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Namespace runs the rest of the test in a network namespace of its own, in which only
// the loopback interface is, up. Without the rights for one the test is skipped.
//
// What the test's goroutine opens or starts belongs to the namespace: sockets, tun
// interfaces, programs. What other goroutines open does not. The namespace ends with the
// goroutine and all that was opened in it.
func Namespace(t testing.TB) {
	t.Helper()
	// The thread is never unlocked, so that it ends with the goroutine.
	Bound(t)
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		Skip(t, fmt.Sprintf("a network namespace: %v (run the test as root or in `unshare -Urn`)", err))
	}
	if err := raiseLoopback(); err != nil {
		t.Fatalf("the new namespace's loopback interface: %v", err)
	}
}

func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}
