package iperf3

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link/linktest"
)

// realIperf3 returns the path of iperf3, with which these tests compare.
func realIperf3(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("iperf3")
	if err != nil {
		if os.Getenv("CALIPER_MUST_NOT_SKIP") != "" {
			t.Fatal("iperf3 is not in PATH, and this run must not skip")
		}
		t.Skip("iperf3 is not in PATH")
	}
	return path
}

// A realServer is one run of iperf3 -s -1.
type realServer struct {
	cmd         *exec.Cmd
	addr        string
	out, stderr bytes.Buffer
	rest        func()
}

// startReal starts iperf3 as a server and returns when it listens.
func startReal(t *testing.T, path, ip string) *realServer {
	t.Helper()
	var err error
	for range 5 {
		// Between the choice of a port and its use somebody else may take it.
		var s *realServer
		if s, err = tryReal(t, path, ip); err == nil {
			return s
		}
	}
	t.Fatalf("iperf3 does not listen: %v", err)
	return nil
}

func tryReal(t *testing.T, path, ip string) (*realServer, error) {
	s := &realServer{addr: freePort(t, ip)}
	_, port, _ := net.SplitHostPort(s.addr)
	s.cmd = linktest.Command(t, path, "-s", "-1", "-B", ip, "-p", port, "--forceflush")
	s.cmd.Stderr = &s.stderr
	pipe, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(pipe)
	for line := ""; !strings.Contains(line, "listening"); {
		if line, err = lines.ReadString('\n'); err != nil {
			s.cmd.Wait()
			return nil, fmt.Errorf("%w: %s", err, &s.stderr)
		}
		s.out.WriteString(line)
	}
	s.rest = KernelHost{}.Go(func() { io.Copy(&s.out, lines) })
	return s, nil
}

// freePort returns an address on which nobody listens.
func freePort(t *testing.T, ip string) string {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Skipf("no loopback address: %v", err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// end waits for the end of the server and returns what it printed.
func (s *realServer) end(t *testing.T) string {
	t.Helper()
	s.rest()
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("iperf3 -s: %v\n%s", err, &s.stderr)
	}
	return s.out.String() + s.stderr.String()
}

// What the real one is run with, and the same for ours.
var realCases = []struct {
	name   string
	args   []string
	params Params
}{
	{"tcp", []string{"-n", "4M"}, Params{Bytes: 4 << 20}},
	{"tcp-reverse", []string{"-n", "4M", "-R"}, Params{Bytes: 4 << 20, Reverse: true}},
	{"tcp-bidir", []string{"-n", "4M", "--bidir"}, Params{Bytes: 4 << 20, Bidir: true}},
	{"tcp-bidir-parallel", []string{"-n", "4M", "--bidir", "-P", "2", "-T", "title"}, Params{Bytes: 4 << 20, Bidir: true, Streams: 2, Title: "title"}},
	{"tcp-rate", []string{"-k", "30", "-l", "10K", "-b", "50M"}, Params{Blocks: 30, Length: 10 << 10, Bitrate: 50e6}},
	{"tcp-omit", []string{"-n", "4M", "-O", "1", "-b", "100M"}, Params{Bytes: 4 << 20, Omit: time.Second, Bitrate: 100e6}},
	{"tcp-omit-reverse", []string{"-n", "16M", "-R", "-O", "1", "-b", "100M"}, Params{Bytes: 16 << 20, Reverse: true, Omit: time.Second, Bitrate: 100e6}},
	{"udp-omit-reverse", []string{"-u", "-k", "20", "-b", "20M", "-l", "1448", "-O", "1", "-R"},
		Params{UDP: true, Blocks: 20, Bitrate: 20e6, Length: 1448, Omit: time.Second, Reverse: true}},
	{"udp", []string{"-u", "-k", "20", "-b", "20M", "-l", "1448"}, Params{UDP: true, Blocks: 20, Bitrate: 20e6, Length: 1448}},
	{"udp-reverse", []string{"-u", "-k", "20", "-b", "20M", "-l", "1448", "-R"}, Params{UDP: true, Blocks: 20, Bitrate: 20e6, Length: 1448, Reverse: true}},
	{"udp-bidir", []string{"-u", "-k", "20", "-b", "20M", "-l", "1448", "--bidir"}, Params{UDP: true, Blocks: 20, Bitrate: 20e6, Length: 1448, Bidir: true}},
	{"udp-parallel", []string{"-u", "-k", "60", "-b", "20M", "-l", "1000", "-P", "3", "--udp-counters-64bit"},
		Params{UDP: true, Blocks: 60, Bitrate: 20e6, Length: 1000, Streams: 3, UDPCounters64: true}},
}

// TestReal runs our client against iperf3's server and iperf3's client against our server,
// with text and with JSON, and compares the form of everything printed with what iperf3
// prints when it talks to itself.
func TestReal(t *testing.T) {
	path := realIperf3(t)
	for _, test := range realCases {
		for _, ip := range []string{"127.0.0.1", "::1"} {
			if test.params.Omit > 0 && ip == "::1" {
				continue // seconds, for nothing new
			}
			t.Run(test.name+"/"+ip, func(t *testing.T) {
				t.Parallel()
				s := startReal(t, path, ip)
				client := runClient(t, path, s.addr, test.args)
				server := s.end(t)
				compareText(t, "our client", runOurs(t, path, ip, test.params, FormatText), client)
				theirs, ours := runTheirs(t, ip, path, test.args)
				compareText(t, "our server", ours, server)
				compareText(t, "iperf3 with our server", theirs, client)
			})
		}
	}
}

// TestRealJSON does the same with JSON.
func TestRealJSON(t *testing.T) {
	path := realIperf3(t)
	for _, test := range realCases {
		if test.params.Omit > 0 {
			continue // the keys are the same
		}
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := startReal(t, path, "127.0.0.1")
			args := append(slices.Clone(test.args), "-J")
			client := runClient(t, path, s.addr, args)
			s.end(t)
			compareJSON(t, "our client", runOurs(t, path, "127.0.0.1", test.params, FormatJSON), client)
			theirs, _ := runTheirs(t, "127.0.0.1", path, args)
			compareJSON(t, "iperf3 with our server", theirs, client)
		})
	}
}

func runClient(t *testing.T, path, addr string, args []string) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(addr)
	out, err := linktest.Command(t, path, append([]string{"-c", host, "-p", port}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("iperf3 -c %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// runOurs runs our client against iperf3's server and returns what it reports.
func runOurs(t *testing.T, path, ip string, p Params, format Format) string {
	t.Helper()
	s := startReal(t, path, ip)
	var out bytes.Buffer
	c := Client{Host: KernelHost{}, Address: s.addr, Params: p, Report: Report{Out: &out, Format: format}}
	r, err := c.Run(context.Background())
	if err != nil {
		t.Fatalf("our client: %v\n%s", err, s.end(t))
	}
	if format == FormatJSON {
		if err := r.Write(&out); err != nil {
			t.Fatal(err)
		}
	}
	if said := s.end(t); strings.Contains(said, "error") || strings.Contains(said, "unexpected") {
		t.Errorf("iperf3 -s:\n%s", said)
	}
	return out.String()
}

// runTheirs runs iperf3's client against our server and returns what both report.
func runTheirs(t *testing.T, ip, path string, args []string) (client, server string) {
	t.Helper()
	s := serveLocal(t, ip, true, FormatText)
	client = runClient(t, path, s.addr, args)
	s.wait()
	if s.err != nil {
		t.Fatalf("our server: %v", s.err)
	}
	return client, s.text.String()
}

// compareText compares the forms of the lines of two reports.
func compareText(t *testing.T, who, got, want string) {
	t.Helper()
	if g, w := shapeText(t, got), shapeText(t, want); g != w {
		t.Errorf("%s printed\n%s\nin the form %s, and iperf3\n%s\nin the form %s", who, got, g, want, w)
	}
}

// compareJSON compares the keys of two reports.
func compareJSON(t *testing.T, who, got, want string) {
	t.Helper()
	have, should := shapeJSON(t, got), shapeJSON(t, want)
	for key := range should {
		if !have[key] {
			t.Errorf("%s does not print %s", who, key)
		}
	}
	for key := range have {
		if !should[key] {
			t.Errorf("%s prints %s, and iperf3 does not", who, key)
		}
	}
}

// The lines of iperf3 3.12, to the blank. Amounts take four places and a unit.
var lineForms = []*regexp.Regexp{
	regexp.MustCompile(`^-{59}$`),
	regexp.MustCompile(`^Server listening on \d+ \(test #1\)$`),
	regexp.MustCompile(`^(title:  )?Connecting to host \S+, port \d+$`),
	regexp.MustCompile(`^Reverse mode, remote host \S+ is sending$`),
	regexp.MustCompile(`^Accepted connection from \S+, port \d+$`),
	regexp.MustCompile(`^(title:  )?\[[ \d]{3}\] local \S+ port \d+ connected to \S+ port \d+$`),
	regexp.MustCompile(`^(title:  )?\[ ID\](\[Role\])? Interval           Transfer     Bitrate(         (Retr|Retr  Cwnd|Total Datagrams|Jitter    Lost/Total Datagrams))?$`),
	regexp.MustCompile(`^(title:  )?(- ){24}-$`),
	regexp.MustCompile(`^(title:  )?` + span + ` {18}(\(omitted\))?$`),                                         // TCP receiver, interval
	regexp.MustCompile(`^(title:  )?` + span + ` {18}receiver$`),                                               // and summary
	regexp.MustCompile(`^(title:  )?` + span + `  [ \d]{3}   [ .\d]{4} [KMG]?Bytes       (\(omitted\))?$`),     // TCP sender, interval
	regexp.MustCompile(`^(title:  )?` + span + `  [ \d]{3} {13}$`),                                             // sum of such
	regexp.MustCompile(`^(title:  )?` + span + `  [ \d]{3} {13}sender$`),                                       // summary
	regexp.MustCompile(`^` + span + `  \d+  (\(omitted\))?$`),                                                  // UDP sender, interval
	regexp.MustCompile(`^` + span + ` {12}\d+  $`),                                                             // with --bidir
	regexp.MustCompile(`^` + span + `  \d+\.\d{3} ms  \d+/\d+ \([\d.e+]+%\)  (sender|receiver|\(omitted\))?$`), // UDP
	regexp.MustCompile(`^\[SUM\].* \d+ datagrams received out-of-order$`),
	regexp.MustCompile(`^(title:  )?$`),
	regexp.MustCompile(`^(title:  )?iperf Done\.$`),
}

const span = `\[[ \dSUM]{3}\](\[[TR]X-[CS]\])? [ .\d]{6}-[.\d ]{6} sec  [ .\d]{4} [KMG]?Bytes  [ .\d]{4} [KMG]?bits/sec`

// shapeText returns the numbers of the forms of the lines, each run of equal ones once.
func shapeText(t *testing.T, text string) string {
	t.Helper()
	var shape []string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		form := slices.IndexFunc(lineForms, func(re *regexp.Regexp) bool { return re.MatchString(line) })
		if form < 0 {
			t.Errorf("a line that iperf3 does not print: %q", line)
			continue
		}
		// A server's last interval may or may not have a rest behind it.
		if s := fmt.Sprint(form); len(shape) == 0 || shape[len(shape)-1] != s {
			shape = append(shape, s)
		}
	}
	return strings.Join(shape, " ")
}

// shapeJSON returns the keys of a JSON report with the types of what they hold; all
// elements of an array count as one.
func shapeJSON(t *testing.T, text string) map[string]bool {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	seen := make(map[string]bool)
	walk("", v, seen)
	return seen
}

func walk(path string, v any, seen map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			walk(path+"."+k, e, seen)
		}
	case []any:
		for _, e := range v {
			walk(path+"[]", e, seen)
		}
	case string:
		seen[path+" string"] = true
	case float64:
		seen[path+" number"] = true
	default:
		seen[fmt.Sprintf("%s %T", path, v)] = true
	}
}

// TestRealServerJSON compares the JSON of a server, which it gives to its client.
func TestRealServerJSON(t *testing.T) {
	path := realIperf3(t)
	for _, test := range realCases {
		if test.params.Omit > 0 {
			continue // the keys are the same
		}
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := serveLocal(t, "127.0.0.1", true, FormatJSON)
			p := test.params
			p.GetServerOutput = true
			c := Client{Host: KernelHost{}, Address: s.addr, Params: p}
			ours, err := c.Run(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			theirs := realServerJSON(t, path, test.args)
			compareJSON(t, "our server", string(ours.ServerOutputJSON), theirs)
		})
	}
}

// realServerJSON returns what iperf3 -s -J prints. It listens in silence, so that the
// client tries until it is there.
func realServerJSON(t *testing.T, path string, args []string) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(freePort(t, "127.0.0.1"))
	var out bytes.Buffer
	server := linktest.Command(t, path, "-s", "-1", "-J", "-B", host, "-p", port)
	server.Stdout = &out
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	err := errors.New("not tried")
	for i := 0; i < 1000 && err != nil; i++ {
		err = linktest.Command(t, path, append([]string{"-c", host, "-p", port}, args...)...).Run()
	}
	if err != nil {
		server.Process.Kill()
		t.Errorf("iperf3 -s -J is not there: %v", err)
	}
	server.Wait()
	return out.String()
}
