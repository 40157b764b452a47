package main

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/link/linktest"
)

// Our side and the kernel's side of the tun interface of these tests.
const (
	our4, kernel4 = "10.99.0.2", "10.99.0.1"
	our6, kernel6 = "fd99::2", "fd99::1"
)

// onTun are the flags that put a host at the other end of an interface.
func onTun(name string) []string {
	return []string{"--port", "tun:" + name, "--addr", our4 + "/24", "--addr", our6 + "/64"}
}

// namespace is where tun interfaces can be made, and ports are free.
func namespace(t *testing.T) {
	t.Helper()
	linktest.Namespace(t)
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		linktest.Skip(t, "there is no /dev/net/tun")
	}
}

// gone checks that no interface is left.
func gone(t *testing.T) {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if strings.HasPrefix(i.Name, "cal") {
			t.Errorf("interface %s is still there", i.Name)
		}
	}
}

// realIperf3 is the iperf3 that others use.
func realIperf3(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("iperf3")
	if err != nil {
		linktest.Skip(t, "iperf3 is not in PATH")
	}
	return linktest.Command(t, path, args...)
}

// realServer starts iperf3 -s for one test, and returns when it listens.
func realServer(t *testing.T, args ...string) *child {
	t.Helper()
	c := start(t, realIperf3(t, append([]string{"-s", "-1", "--forceflush"}, args...)...))
	c.until("listening")
	return c
}

// ourServer starts caliper iperf3 -s, and returns when it listens.
func ourServer(t *testing.T, args ...string) *child {
	t.Helper()
	c := start(t, command(t, append(append([]string{"iperf3", "-s"}, onTun("cal0")...), args...)...))
	c.until("listening")
	return c
}

// A child is a process that a test has started.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	pipe   io.Closer
	lines  *bufio.Reader
	read   strings.Builder
	stderr *os.File
}

// start starts a process. It opens what it opens now and not later, so that the files of
// the test's own process can be counted while it runs.
func start(t *testing.T, cmd *exec.Cmd) *child {
	t.Helper()
	c, err := tryStart(t, cmd)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tryStart is start where the process may not be permitted.
func tryStart(t *testing.T, cmd *exec.Cmd) (*child, error) {
	t.Helper()
	c := &child{t: t, cmd: cmd, stderr: tempFile(t, "stderr")}
	cmd.Stderr = c.stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	c.pipe, c.lines = stdout, bufio.NewReader(stdout)
	return c, nil
}

// startDeaf starts a process of whose output nobody reads a byte.
func startDeaf(t *testing.T, cmd *exec.Cmd) *child {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	c := &child{t: t, cmd: cmd, stderr: tempFile(t, "stderr"), lines: bufio.NewReader(strings.NewReader(""))}
	cmd.Stdout, cmd.Stderr = w, c.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// until reads what the process prints up to a line that contains text.
func (c *child) until(text string) {
	c.t.Helper()
	for {
		line, err := c.lines.ReadString('\n')
		c.read.WriteString(line)
		if err != nil {
			o := c.end()
			c.t.Fatalf("%s ends before it prints %q: exit code %d\n%s%s", c.cmd, text, o.code, o.stdout, o.stderr)
		}
		if strings.Contains(line, text) {
			return
		}
	}
}

// measures returns when an interval has been printed, whatever it is called: on a busy
// machine it ends late.
func (c *child) measures() {
	c.t.Helper()
	c.until("bits/sec")
}

func (c *child) signal(s os.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// hangUp reads nothing any more of what the process prints.
func (c *child) hangUp() {
	c.pipe.Close()
	c.lines = bufio.NewReader(strings.NewReader(""))
}

// end waits for the end of the process and returns all that it has left. Killed by a
// signal, it has exit code -1.
func (c *child) end() outcome {
	c.t.Helper()
	if _, err := io.Copy(&c.read, c.lines); err != nil {
		c.t.Error(err)
	}
	c.cmd.Wait() // the error says no more than the exit code
	return outcome{c.cmd.ProcessState.ExitCode(), c.read.String(), contents(c.t, c.stderr)}
}
