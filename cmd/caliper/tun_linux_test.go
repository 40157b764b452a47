package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/netcaliper/caliper/link/linktest"
)

// realCases are the tests with a real iperf3 at the other end. What is sent with UDP fits
// the kernel's receive buffer as a whole, so that nothing is lost even if its reader
// sleeps all the time.
var realCases = []struct {
	name    string
	udp     bool
	reverse bool
	amount  int64
	args    []string
}{
	{"tcp", false, false, 1 << 20, []string{"-n", "1M", "-b", "50M"}},
	{"tcp -R", false, true, 1 << 20, []string{"-n", "1M", "-b", "50M", "-R"}},
	{"udp", true, false, 80 * 1400, []string{"-k", "80", "-l", "1400", "-b", "5M", "-u"}},
	{"udp -R", true, true, 80 * 1400, []string{"-k", "80", "-l", "1400", "-b", "5M", "-u", "-R"}},
}

// TestRealServer runs our client against the kernel and a real iperf3 -s behind it.
func TestRealServer(t *testing.T) {
	for _, test := range realCases {
		for _, server := range []string{kernel4, kernel6} {
			t.Run(test.name+" "+server, func(t *testing.T) {
				namespace(t)
				real := realServer(t)
				r := measure(t, append(append([]string{"-c", server}, onTun("cal0")...), test.args...)...)
				gone(t)
				if o := real.end(); o.code != 0 {
					t.Errorf("iperf3 -s: exit code %d\n%s%s", o.code, o.stdout, o.stderr)
				}
				plausible(t, r, test.reverse, test.amount)
				if len(r.Start.Connected) != 1 || r.Start.Connected[0].RemoteHost != server {
					t.Errorf("connected to %v", r.Start.Connected)
				}
				d := &r.Caliper.Departures
				if d.Dropped != 0 || d.Early != 0 || r.Caliper.MinRTO != 200 || r.Caliper.Clock != "real" || r.Caliper.Port != "tun:cal0" {
					t.Errorf("%+v", r.Caliper)
				}
				// Nobody hashes between departures without having been asked to, and every
				// departure has its error.
				if call := d.SendCall; r.Caliper.TraceHash != "" || call.P50 <= 0 || call.P50 > call.Max {
					t.Errorf("trace %q, send call %+v", r.Caliper.TraceHash, call)
				}
				if (d.Paced == 0) != test.reverse {
					t.Errorf("%d frames are paced", d.Paced)
				}
			})
		}
	}
}

// TestTap runs our client and our server against a real iperf3 behind a tap: an Ethernet with
// the kernel at the other end.
func TestTap(t *testing.T) {
	onTap := []string{"--port", "tap:cal0", "--addr", our4 + "/24", "--addr", our6 + "/64"}
	for _, server := range []string{kernel4, kernel6} {
		namespace(t)
		real := realServer(t)
		r := measure(t, append([]string{"-c", server, "-n", "1M", "-b", "50M"}, onTap...)...)
		gone(t)
		real.end()
		plausible(t, r, false, 1<<20)
		if d := &r.Caliper.Departures; d.Dropped != 0 || d.Paced < 700 || r.Caliper.Port != "tap:cal0" {
			t.Errorf("%+v", r.Caliper)
		}
	}
	namespace(t)
	ours := start(t, command(t, append([]string{"iperf3", "-s", "-1"}, onTap...)...))
	ours.until("listening")
	client := start(t, realIperf3(t, "-c", our4, "-n", "1M", "-R", "-J")).end()
	ours.end()
	gone(t)
	plausible(t, decode(t, client.stdout), true, 1<<20)
}

// plausible checks amounts, which do not depend on how fast this machine is. A receiver
// that waits for an amount has all of it; one that is told of the end has what arrived.
func plausible(t *testing.T, r *report, reverse bool, amount int64) {
	t.Helper()
	sent, received := r.End.Sent.Bytes, r.End.Received.Bytes
	if sent < amount || received > sent || received == 0 || reverse && received < amount {
		t.Errorf("%d bytes sent, %d received", sent, received)
	}
	if r.End.Received.Lost != 0 {
		t.Errorf("%d datagrams lost", r.End.Received.Lost)
	}
}

var pacedCount = regexp.MustCompile(`(\d+) packets, (\d+) paced, .* 0 dropped`)

// TestRealClient runs a real iperf3 -c through the kernel against our server.
func TestRealClient(t *testing.T) {
	for _, test := range realCases {
		for _, server := range []string{our4, our6} {
			t.Run(test.name+" "+server, func(t *testing.T) {
				namespace(t)
				ours := ourServer(t, "-1")
				client := start(t, realIperf3(t, append([]string{"-c", server, "-J"}, test.args...)...)).end()
				o := ours.end()
				gone(t)
				if o.code != exitOK || o.stderr != "" || client.code != 0 {
					t.Fatalf("exit codes %d and %d\n%s%s%s", o.code, client.code, o.stdout, o.stderr, client.stdout)
				}
				plausible(t, decode(t, client.stdout), test.reverse, test.amount)
				if !test.reverse {
					return
				}
				// What we send is paced at the rate that the client has asked for.
				m := pacedCount.FindStringSubmatch(o.stdout)
				if m == nil {
					t.Fatalf("no departures in\n%s", o.stdout)
				}
				if n, _ := strconv.ParseInt(m[2], 10, 64); n < test.amount/1500 {
					t.Errorf("%d frames are paced", n)
				}
			})
		}
	}
}

// TestServerInside runs the server in this process, which must have as many files open
// afterwards as before, and as many goroutines.
func TestServerInside(t *testing.T) {
	namespace(t)
	// The client is started now, in this namespace, and waits to be told.
	client := realIperf3(t, "-c", our4, "-n", "1M", "-J")
	client.Args = []string{"sh", "-c", `read line; exec "$0" "$@"`}
	client.Args = append(client.Args, append([]string{client.Path}, "-c", our4, "-n", "1M", "-J")...)
	client.Path = "/bin/sh"
	tell, err := client.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	waits := start(t, client)

	stdoutR, stdoutW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	printed := make(chan string)
	go func() {
		var all strings.Builder
		b := make([]byte, 4096)
		for {
			n, err := stdoutR.Read(b)
			before := strings.Contains(all.String(), "listening")
			all.Write(b[:n])
			if !before && strings.Contains(all.String(), "listening") {
				fmt.Fprintln(tell, "go")
			}
			if err != nil {
				printed <- all.String()
				return
			}
		}
	}()
	stderr := tempFile(t, "stderr")
	before := openFiles()
	code := run(append([]string{"caliper", "iperf3", "-s", "-1"}, onTun("cal0")...), stdoutW, stderr)
	if left := leftOpen(before); len(left) > 0 {
		t.Errorf("left open: %q", left)
	}
	stdoutW.Close()
	stdout := <-printed
	stdoutR.Close()
	gone(t)
	if said := contents(t, stderr); code != exitOK || said != "" || !strings.Contains(stdout, "Departures") {
		t.Errorf("exit code %d\n%s%s", code, stdout, said)
	}
	plausible(t, decode(t, waits.end().stdout), false, 1<<20)
}

// TestRealCapture captures in real time, where packets have no Ethernet header.
func TestRealCapture(t *testing.T) {
	namespace(t)
	name := filepath.Join(t.TempDir(), "capture.pcapng")
	real := realServer(t)
	r := measure(t, append([]string{"-c", kernel4, "-n", "1M", "-b", "100M", "--pcap", name, "--trace-hash"}, onTun("cal0")...)...)
	real.end()
	if len(r.Caliper.TraceHash) != 16 {
		t.Errorf("trace %q", r.Caliper.TraceHash)
	}
	frames := readCapture(t, name)
	if n := int(r.Caliper.Departures.Packets); len(frames) <= n {
		t.Errorf("%d frames in the file, %d sent", len(frames), n)
	}
	from := make(map[string]int)
	for _, source := range strings.Fields(tshark(t, name, "-T", "fields", "-e", "ip.src")) {
		from[source]++
	}
	if from[our4] == 0 || from[kernel4] == 0 || len(from) != 2 {
		t.Errorf("packets from %v", from)
	}
	bad := `_ws.malformed || ip.checksum.status == "Bad" || tcp.checksum.status == "Bad"`
	if out := tshark(t, name, "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-Y", bad+" && ip.src == "+our4); out != "" {
		t.Errorf("tshark finds fault with\n%s", out)
	}
}

// TestNoRights is for the many who are not root: nothing is made, and they are told what
// is missing and how to have it.
func TestNoRights(t *testing.T) {
	namespace(t)
	dir := t.TempDir()
	kept := filepath.Join(dir, "kept.pcapng")
	if err := os.WriteFile(kept, []byte("of another run"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*syscall.SysProcAttr){
		// In a user namespace of its own a process has no rights in this network
		// namespace; as another user it cannot even open the device.
		"namespace": func(a *syscall.SysProcAttr) { a.Cloneflags = syscall.CLONE_NEWUSER },
		"user":      func(a *syscall.SysProcAttr) { a.Credential = &syscall.Credential{Uid: 65534, Gid: 65534} },
	} {
		t.Run(name, func(t *testing.T) {
			namespace(t)
			cmd := command(t, append([]string{"iperf3", "-c", kernel4, "--pcap", kept}, onTun("cal0")...)...)
			// The other user may not enter the directory of the test's program.
			self, err := os.Open(cmd.Path)
			if err != nil {
				t.Fatal(err)
			}
			defer self.Close()
			cmd.Path, cmd.ExtraFiles = "/proc/self/fd/3", []*os.File{self}
			change(cmd.SysProcAttr)
			c, err := tryStart(t, cmd)
			if err != nil {
				linktest.Skip(t, fmt.Sprintf("a process without rights: %v", err))
			}
			o := c.end()
			gone(t)
			if o.code != exitNoRights || o.stdout != "" {
				t.Errorf("exit code %d\n%s", o.code, o.stdout)
			}
			for _, want := range []string{"CAP_NET_ADMIN", "unshare -Urn", "/dev/net/tun"} {
				if !strings.Contains(o.stderr, want) {
					t.Errorf("there is no %q in\n%s", want, o.stderr)
				}
			}
			if b, err := os.ReadFile(kept); err != nil || string(b) != "of another run" {
				t.Errorf("the file of another run has %q, %v", b, err)
			}
		})
	}
}
