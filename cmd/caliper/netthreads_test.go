package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/netthreads"
	"github.com/netcaliper/caliper/netfpga/netthreads/programs"
	"github.com/netcaliper/caliper/netfpga/netthreads/simulator"
)

// A timed packet is one of a capture, with the ticks of 8 ns since 1970.
type timed struct {
	tick  uint64
	bytes []byte
}

// writeCapture writes packets into a file and returns its name.
func writeCapture(t *testing.T, packets ...timed) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "in.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	w := pcapgo.NewWriterNanos(f)
	err = w.WriteFileHeader(1<<16, layers.LinkTypeEthernet)
	for _, p := range packets {
		err = errors.Join(err, w.WritePacket(gopacket.CaptureInfo{
			Timestamp: time.Unix(0, int64(p.tick*netthreads.Tick)), CaptureLength: len(p.bytes), Length: len(p.bytes),
		}, p.bytes))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func readTimed(t *testing.T, name string) (all []timed) {
	t.Helper()
	c, err := pcap.Open(name, pcap.MaxKept)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for {
		r, err := c.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, timed{uint64(r.Time) / netthreads.Tick, bytes.Clone(r.Bytes)})
	}
}

// frames returns n frames of so many bytes, some ticks apart.
func frames(n, size int, apart uint64) (all []timed) {
	for i := range n {
		b := bytes.Repeat([]byte{byte(i + 1)}, size)
		all = append(all, timed{uint64(i) * apart, b})
	}
	return all
}

// simulate is caliper netthreads run with --json, which must succeed.
func simulate(t *testing.T, args ...string) *simulator.Report {
	t.Helper()
	o := caliper(t, append([]string{"netthreads", "run", "--json"}, args...)...)
	r := new(simulator.Report)
	if err := json.Unmarshal([]byte(o.stdout), r); o.code != exitOK || err != nil {
		t.Fatalf("exit code %d, %v\n%s%s", o.code, err, o.stdout, o.stderr)
	}
	return r
}

// Figures that are those of the machine that the test runs on, or of how the end was found.
var (
	speedText = regexp.MustCompile(`, in \S+ s: .*`)
	afterText = regexp.MustCompile(`after \d+ cycles \(\S+ s\)\n\d+ instructions executed, \d+ skipped`)
)

// TestNetthreadsGolden shows what people see.
func TestNetthreadsGolden(t *testing.T) {
	in := writeCapture(t, frames(10, 1000, 20_000)...)
	var b bytes.Buffer
	for _, line := range []string{
		"run hello",
		"run hello --cycles 3000 --profile",
		"run hello --cycles 20 --trace - --cpus 1",
		"run bounce --cycles 250000 --stamp --mac 1=pcap:" + in,
		"run bounce --cycles 250000 --memory cached --profile --all-hosts --host 3=pcap:" + in,
	} {
		out := succeed(t, append([]string{"netthreads"}, strings.Fields(line)...)...).stdout
		out = speedText.ReplaceAllString(out, "")
		if !strings.Contains(line, "--cycles") {
			out = afterText.ReplaceAllString(out, "after some time")
		}
		fmt.Fprintf(&b, "$ caliper netthreads %s\n%s\n", strings.ReplaceAll(line, in, "in.pcap"), out)
	}
	linktest.Golden(t, "netthreads.golden", b.String())
}

// TestNetthreadsBounce sends frames through a program and reads them back.
func TestNetthreadsBounce(t *testing.T) {
	packets := frames(100, 600, 2000)
	in, out := writeCapture(t, packets...), filepath.Join(t.TempDir(), "out.pcapng")
	r := simulate(t, "bounce", "--mac", "3=pcap:"+in+","+out)
	if r.End != simulator.Idle || len(r.Ports) != 1 || r.Ports[0].Port != "mac 3" || r.Ports[0].In != 100 || r.Ports[0].Out != 100 {
		t.Fatalf("%+v", r)
	}
	got := readTimed(t, out)
	slices.SortStableFunc(got, func(a, b timed) int { return int(a.bytes[0]) - int(b.bytes[0]) }) // threads may overtake each other
	for i, p := range packets {
		if took := got[i].tick - p.tick; !bytes.Equal(got[i].bytes, p.bytes) || took < 600/8 || took > 5000 {
			t.Errorf("packet %d: %d ticks later, %x", i, took, got[i].bytes)
		}
	}
}

// TestNetthreadsPktgen has the packet generator send at the ticks that the driver's messages
// ask for, and tell the driver.
func TestNetthreadsPktgen(t *testing.T) {
	const apart, per, n = 1695, 7, 70 // 13,560 ns
	messages := []timed{{0, drivercomm.PutReset(make([]byte, drivercomm.MaxDMA))}}
	b := drivercomm.NewBuilder()
	for i := range n {
		h := drivercomm.Header{WireLen: 1514, Clock: apart}
		if i == 0 {
			h.Clock, h.Absolute = 200_000, true
		}
		b.Add(h, bytes.Repeat([]byte{byte(i)}, 200))
		if (i+1)%per == 0 {
			messages = append(messages, timed{uint64(100_000 + i*apart), bytes.Clone(b.Message().Bytes)})
			b.Clear()
		}
	}
	dir := t.TempDir()
	out, back := filepath.Join(dir, "out"), filepath.Join(dir, "back")
	r := simulate(t, "pktgen", "--host", "0=pcap:"+writeCapture(t, messages...)+","+back, "--mac", "0=pcap:,"+out)
	if r.Ports[0].Out != n || r.Ports[1].In != uint64(len(messages)) || r.Ports[1].Dropped != 0 {
		t.Fatalf("%+v", r)
	}
	for i, p := range readTimed(t, out) {
		if want := uint64(200_000 + i*apart); p.tick != want || len(p.bytes) != 1514 || p.bytes[199] != byte(i) || p.bytes[200] != 0 {
			t.Errorf("packet %d of %d bytes at %d, want %d", i, len(p.bytes), p.tick, want)
		}
	}
	quota := int32(0)
	for i, p := range readTimed(t, back) {
		reply, ok := drivercomm.ParseReply(p.bytes)
		if !ok || (reply.Type == drivercomm.ResetDone) != (i == 0) {
			t.Errorf("message %d: %+v, %v", i, reply, ok)
		}
		if reply.Type == drivercomm.Quota {
			quota += reply.Quota
		}
	}
	if quota < 4 {
		t.Errorf("a quota of %d", quota)
	}
}

// program writes a program in MIF, of one instruction behind the entry of thread 0, and
// returns its name.
func program(t *testing.T, word string) string {
	t.Helper()
	return mifProgram(t, "DEPTH=65536; CONTENT BEGIN [0..5f]:0; 1:"+word+"; END;")
}

// mifProgram writes a program of those instructions.
func mifProgram(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "program")
	for file, text := range map[string]string{name + ".instr.mif": text, name + ".data.mif": "CONTENT BEGIN END;"} {
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return name
}

// TestNetthreadsFault stops at what a program must not do, and says all about it.
func TestNetthreadsFault(t *testing.T) {
	name := program(t, "8c030010") // lw $3,16($0)
	o := caliper(t, "netthreads", "run", name)
	if o.code != exitFailed || !strings.HasPrefix(o.stdout, "stopped by a fault, after 4 cycles") {
		t.Errorf("exit code %d\n%s", o.code, o.stdout)
	}
	for _, want := range []string{
		"caliper: thread 0 at 0x20000004, cycle 4: load from 0x00000010, where there is no memory\n",
		"\n> 20000004  8c030010", "lw $3,16($0)", "$31 00000000", "\nhint: caliper netthreads dis " + name,
	} {
		if !strings.Contains(o.stderr, want) {
			t.Errorf("there is no %q in\n%s", want, o.stderr)
		}
	}
	o = caliper(t, "netthreads", "run", name, "--json")
	r := new(simulator.Report)
	if err := json.Unmarshal([]byte(o.stdout), r); err != nil || o.code != exitFailed || r.Fault == nil || r.Fault.PC != 0x20000004 || r.End != simulator.Faulted {
		t.Errorf("%v: %s", err, o.stdout)
	}
	o = caliper(t, "netthreads", "run", program(t, "70000000"), "--cpus", "1", "--threads", "1")
	if o.code != exitFailed || !strings.Contains(o.stderr, "unknown instruction") {
		t.Errorf("%s", o.stderr)
	}
}

// TestNetthreadsIgnoreFaults goes on where the hardware would, and says what was wrong.
func TestNetthreadsIgnoreFaults(t *testing.T) {
	// lui $2,0x1000; sw $0,8($2); end: j end
	name := mifProgram(t, "CONTENT BEGIN [0..5f]:0; 1:3c021000 ac400008 08000003; [10..5f]: 08000003; END;")
	if o := caliper(t, "netthreads", "run", name, "--threads", "1", "--cpus", "1"); o.code != exitFailed || !strings.Contains(o.stderr, "input memory, which is read only") {
		t.Errorf("code %d\n%s", o.code, o.stderr)
	}
	args := []string{"netthreads", "run", name, "--threads", "1", "--cpus", "1", "--ignore-faults"}
	want := "1 times ignored at 0x20000008, first by thread 0 in cycle 2: store to 0x10000008 in the input memory, which is read only\n"
	if o := succeed(t, args...); !strings.Contains(o.stdout, want) || !strings.Contains(o.stdout, "idle: nothing can happen any more") {
		t.Errorf("it says\n%s, and not %s", o.stdout, want)
	}
	var r simulator.Report
	if err := json.Unmarshal([]byte(succeed(t, append(args, "--json")...).stdout), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Ignored) != 1 || r.Ignored[0].Count != 1 || r.Ignored[0].PC != 0x20000008 || r.Fault != nil {
		t.Errorf("%+v", r)
	}
}

// TestNetthreadsOneCPU runs an image that is linked for one CPU on one, and hints at it.
func TestNetthreadsOneCPU(t *testing.T) {
	// The fifth start is nop; nop; t4: j t4-8, and what is where the sixth would be fails.
	name := mifProgram(t, "CONTENT BEGIN [0..7f]:0; [0..2f]:08000000; 0:0 08000000; 32:08000030; 3c:8c030010; END;")
	o := caliper(t, "netthreads", "run", name)
	if o.code != exitOK || !strings.Contains(o.stderr, "is linked for one CPU, and runs on one") || !strings.Contains(o.stdout, "idle") {
		t.Errorf("%s%s", o.stdout, o.stderr)
	}
	if o := caliper(t, "netthreads", "run", name, "--cpus", "2"); o.code != exitFailed || !strings.Contains(o.stderr, "hint: the image is linked for one CPU: --cpus 1") {
		t.Errorf("code %d\n%s", o.code, o.stderr)
	}
	short := mifProgram(t, "CONTENT BEGIN [0..1f]:08000000; 0:0; END;")
	if o := caliper(t, "netthreads", "run", short); o.code != exitBadInput || !strings.Contains(o.stderr, "thread 7 begins at") || !strings.Contains(o.stderr, "hint: --cpus 1") {
		t.Errorf("code %d\n%s", o.code, o.stderr)
	}
}

// TestNetthreadsStrayLines runs a program from a file with lines that are none, and tells it.
func TestNetthreadsStrayLines(t *testing.T) {
	name := mifProgram(t, "Made by hand\nCONTENT BEGIN\n[0..5f]:08000000;\n-- a comment\nhello\n0:0;\nEND;\n")
	o := caliper(t, "netthreads", "run", name)
	if o.code != exitOK {
		t.Errorf("exit code %d", o.code)
	}
	for _, line := range []string{`line 1 is passed over from "Made" on`, `line 5 is passed over from "hello" on`} {
		if !strings.Contains(o.stderr, "caliper: "+name+": instructions: "+line+"\n") {
			t.Errorf("there is no %q in\n%s", line, o.stderr)
		}
	}
}

// TestNetthreadsHosts connects the host's other ports only where it is asked for.
func TestNetthreadsHosts(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.pcapng")
	succeed(t, "netthreads", "run", "hello", "--host", "2=pcap:,"+out) // what goes out may
	in := writeCapture(t, frames(1, 60, 0)...)
	if o := caliper(t, "netthreads", "run", "bounce", "--host", "2=pcap:"+in); o.code != exitBadInput || !strings.Contains(o.stderr, "--all-hosts") {
		t.Errorf("code %d\n%s", o.code, o.stderr)
	}
	r := simulate(t, "bounce", "--host", "2=pcap:"+in, "--all-hosts")
	if len(r.Ports) != 1 || r.Ports[0].Port != "host 2" || r.Ports[0].In != 1 || r.Ports[0].Out != 1 {
		t.Errorf("%+v", r.Ports)
	}
}

// TestNetthreadsTrace writes a trace into a file.
func TestNetthreadsTrace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trace")
	r := simulate(t, "hello", "--trace", file, "--cycles", "1000", "--cpus", "1", "--threads", "1")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if lines := uint64(bytes.Count(b, []byte("\n"))); lines != r.Instructions || lines != 1000 || !bytes.Contains(b, []byte("main+0x")) {
		t.Errorf("%d lines, %d instructions", lines, r.Instructions)
	}
	o := caliper(t, "netthreads", "run", "hello", "--trace", "/dev/full", "--cycles", "1000")
	if o.code != exitFailed || !strings.Contains(o.stderr, "write the trace") || !strings.Contains(o.stdout, "stopped by an error") {
		t.Errorf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
	}
}

// TestNetthreadsOutputFull names the file that could not be written, once.
func TestNetthreadsOutputFull(t *testing.T) {
	in := writeCapture(t, frames(10, 1000, 20_000)...)
	o := caliper(t, "netthreads", "run", "bounce", "--mac", "0=pcap:"+in+",/dev/full")
	if o.code != exitFailed || strings.Count(o.stderr, "/dev/full") != 1 {
		t.Errorf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
	}
}

// TestNetthreadsFolder has a folder not stand in the way of a program of its name.
func TestNetthreadsFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	succeed(t, "netthreads", "new", "hello")
	if o := succeed(t, "netthreads", "run", "hello"); !strings.Contains(o.stdout, "wonderful") {
		t.Error(o.stdout)
	}
	succeed(t, "netthreads", "new", "mine")
	if o := caliper(t, "netthreads", "run", "mine"); o.code != exitBadInput || !strings.Contains(o.stderr, "mine/build/sim/mine.elf") {
		t.Errorf("exit code %d\n%s", o.code, o.stderr)
	}
}

// TestNetthreadsMIF turns a program into the original's files, which run as it does.
func TestNetthreadsMIF(t *testing.T) {
	base := filepath.Join(t.TempDir(), "greet")
	out := succeed(t, "netthreads", "mif", "hello", "--out", base).stdout
	if !strings.Contains(out, base+".instr.mif: ") || !strings.Contains(out, base+".data.mif: ") {
		t.Error(out)
	}
	elf, err := programs.Open("hello", nil)
	if err != nil {
		t.Fatal(err)
	}
	mif, err := programs.Open(base, nil)
	if err != nil || !bytes.Equal(mif.Text, elf.Text) || !bytes.Equal(mif.Data[:len(elf.Data)], elf.Data) || len(mif.Data) > len(elf.Data)+3 {
		t.Fatalf("%v: not the same program", err)
	}
	said := func(image string) string {
		return speedText.ReplaceAllString(succeed(t, "netthreads", "run", image).stdout, "")
	}
	if a, b := said("hello"), said(base+".data.mif"); a != b {
		t.Errorf("%s\nand in MIF\n%s", a, b)
	}
	if a, b := succeed(t, "netthreads", "load", "hello").stdout, succeed(t, "netthreads", "load", base).stdout; a != b {
		t.Error("they are not loaded alike")
	}
	if o := caliper(t, "netthreads", "mif", "hello", "--out", base); o.code != exitBadInput || !strings.Contains(o.stderr, "is there already") {
		t.Errorf("exit code %d\n%s", o.code, o.stderr)
	}
	succeed(t, "netthreads", "mif", base, "--force")
	if files, err := os.ReadDir(filepath.Dir(base)); err != nil || len(files) != 2 {
		t.Errorf("%v, %v", files, err)
	}
}

// TestNetthreadsLoad shows the words that the loader writes.
func TestNetthreadsLoad(t *testing.T) {
	name := program(t, "241a0007")
	lines := strings.Split(succeed(t, "netthreads", "load", name).stdout, "\n")
	if len(lines) != 99 || lines[0] != "reset" || lines[1] != "00000000 00000000" || lines[2] != "00000004 241a0007" || lines[97] != "start" {
		t.Errorf("%d lines: %q", len(lines), lines)
	}
	var l loading
	if err := json.Unmarshal([]byte(succeed(t, "netthreads", "load", "hello", "--json").stdout), &l); err != nil {
		t.Fatal(err)
	}
	img, err := programs.Open("hello", nil)
	if err != nil {
		t.Fatal(err)
	}
	i := len(img.Text) / 4
	if l.Register != 0x02000408 || l.Reset != 6 || len(l.Words) != i+(len(img.Data)+3)/4 || l.Words[i].Address != netthreads.DataBase {
		t.Errorf("%+v", l)
	}
}

// TestNetthreadsDis shows a program with its symbols.
func TestNetthreadsDis(t *testing.T) {
	out := succeed(t, "netthreads", "dis", "bounce").stdout
	for _, want := range []string{"\nmain:\n", "\nstart:\n20000000  00000000  start", " jr $31\n", "<nf_pktin_init>"} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
}

// TestNetthreadsNew begins a program, builds it and runs it.
func TestNetthreadsNew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "swap")
	out := succeed(t, "netthreads", "new", dir).stdout
	if !strings.Contains(out, "edit "+filepath.Join(dir, "swap.c")) {
		t.Error(out)
	}
	if o := caliper(t, "netthreads", "new", dir); o.code != exitBadInput || !strings.Contains(o.stderr, "file exists") {
		t.Errorf("exit code %d\n%s", o.code, o.stderr)
	}
	for _, tool := range []string{"make", "awk", "mips-linux-gnu-gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			linktest.Skip(t, tool+" is not in PATH")
		}
	}
	if out, err := linktest.Command(t, "make", "-C", dir, "CONTEXT=sim").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	in, to := writeCapture(t, frames(5, 500, 10_000)...), filepath.Join(dir, "out.pcapng")
	out = succeed(t, "netthreads", "run", filepath.Join(dir, "build", "sim", "swap.elf"),
		"--mac", "0=pcap:"+in, "--mac", "1=pcap:,"+to).stdout
	if !strings.Contains(out, "packet 5, by thread ") || len(readTimed(t, to)) != 5 {
		t.Error(out)
	}
}

// TestNetthreadsBadInput refuses before anything runs or is written.
func TestNetthreadsBadInput(t *testing.T) {
	for args, want := range map[string]string{
		"runs hello":                                  `no command "runs"`,
		"--bogus":                                     "-bogus",
		"run":                                         "the image is missing",
		"run --cycles 5":                              "the image is missing",
		"run none":                                    "no built-in program: these are bounce, hello, pktgen",
		"run /dev/null":                               "is neither an ELF file",
		"run ../caliper/console.go":                   "is neither an ELF file",
		"run hello bounce":                            `"bounce" is one argument too many`,
		"run hello --bogus":                           "-bogus",
		"run --bogus hello":                           "-bogus",
		"run hello --mac 4=none":                      `"4" is not a port`,
		"run hello --mac 0":                           "not of the form N=SPEC",
		"run hello --mac 0=wire":                      `not to "wire"`,
		"run hello --mac 0=tap:":                      "cannot be the name",
		"run --mac 0=none hello --mac 0=none":         "connected already",
		"run hello --host 1=none --host 1=none":       "connected already",
		"run hello --mac 0=pcap:none.pcap":            "none.pcap: no such file",
		"run hello --mac 0=pcap:/dev/null":            "it is empty",
		"run hello --mac 0=pcap:,/nowhere/out":        "/nowhere/out",
		"run hello --cycles 0":                        "--cycles 0",
		"run hello --cycles -1":                       "-cycles",
		"run hello --cycles many":                     "-cycles",
		"run hello --cpus 0":                          "--cpus 0 --threads 4",
		"run hello --cpus 5":                          "--cpus 5 --threads 4",
		"run hello --threads -1":                      "--threads -1",
		"run hello --threads 4611686018427387905":     "--threads 4611686018427387905",
		"run hello --host 1=tap:x":                    "only host 0 is connected",
		"run hello --host 3=pcap:x,y":                 "only host 0 is connected",
		"run hello --memory fast":                     "--memory fast",
		"run hello --memory cached":                   "--memory cached needs --cycles",
		"run hello --no-skip":                         "--no-skip needs --cycles",
		"run hello --trace -":                         "--trace needs --cycles",
		"run hello --cycles 9 --trace":                "-trace",
		"run hello --cycles 9 --trace - --json":       "both write to standard output",
		"run hello --cycles 9 --trace /nowhere/trace": "/nowhere/trace",
		"run --cpus 4 " + program(t, "0"):             "thread 15 begins at",
		"dis":                                         "the image is missing",
		"dis none":                                    "no built-in program",
		"load none":                                   "no built-in program",
		"load hello --mac 0=none":                     "-mac",
		"mif none":                                    "no built-in program",
		"mif hello --out /nowhere/x":                  "/nowhere",
		"new":                                         "the name is missing",
		"new a,b":                                     "cannot be the name of a program",
		"new /nowhere/x":                              "no such file or directory",
		"new .":                                       "cannot be the name of a program",
	} {
		o := caliper(t, append([]string{"netthreads"}, strings.Fields(args)...)...)
		first, rest, _ := strings.Cut(o.stderr, "\n")
		if o.code != exitBadInput || o.stdout != "" || !strings.HasPrefix(first, "caliper: ") || !strings.Contains(first, want) ||
			!strings.HasPrefix(rest, "hint: ") || strings.Count(o.stderr, "\n") != 2 || strings.Contains(o.stderr, "%!") {
			t.Errorf("netthreads %s: code %d, want %q, got\n%s%s", args, o.code, want, o.stderr, o.stdout)
		}
	}
	for args, want := range map[string]string{
		"netthreads": "COMMANDS", "netthreads --help": "bounce, hello, pktgen", "netthreads run --help": "-pcapmacN",
		"netthreads run hello -h": "--lossless", "netthreads mif -h": "--force", "help netthreads": "disassemble",
	} {
		if o := succeed(t, strings.Fields(args)...); !strings.Contains(o.stdout, want) {
			t.Errorf("caliper %s: there is no %q in\n%s", args, want, o.stdout)
		}
	}
}
