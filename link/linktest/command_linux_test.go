package linktest_test

import (
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/netcaliper/caliper/link/linktest"
)

// orphanVariable has this program, run again, start another process, which inherits file 3,
// and wait to be killed.
const orphanVariable = "LINKTEST_ORPHAN"

func TestOrphan(t *testing.T) {
	var cmd *exec.Cmd
	switch os.Getenv(orphanVariable) {
	case "":
		t.Skip("run by TestNobodyIsLeft")
	case "command": // a test's child
		cmd = linktest.Command(t, "cat")
	case "test": // as go test starts a test
		cmd = exec.Command(os.Args[0], "-test.run=^TestOrphan$")
		cmd.Env = append(os.Environ(), orphanVariable+"=wait")
	case "wait":
		os.Stdout.WriteString("started\n")
		select {}
	}
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdin, cmd.Stdout = in, os.Stdout
	cmd.ExtraFiles = []*os.File{os.NewFile(3, "of the grandparent")}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if cmd.Args[0] == "cat" {
		out.WriteString("started\n")
	}
	select {}
}

// TestNobodyIsLeft kills a test, and a `go test`, and waits until what they have started is
// gone: until nobody has the other end of a pipe.
func TestNobodyIsLeft(t *testing.T) {
	for _, what := range []string{"command", "test"} {
		t.Run(what, func(t *testing.T) {
			alive, theirs, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer alive.Close()
			cmd := linktest.Command(t, os.Args[0], "-test.run=^TestOrphan$")
			cmd.Env = append(os.Environ(), orphanVariable+"="+what)
			cmd.ExtraFiles = []*os.File{theirs}
			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			theirs.Close()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(out, make([]byte, len("started\n"))); err != nil {
				t.Fatal(err)
			}
			cmd.Process.Kill()
			if _, err := alive.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("read %v", err)
			}
		})
	}
}
