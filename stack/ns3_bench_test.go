package stack

import (
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link/wire"
)

// A bulkRun is TCP flows that send without end over one line, with a queue of 1000 packets.
type bulkRun struct {
	name    string
	flows   int
	rate    int64         // of the line, in bit/s
	delay   time.Duration // of the line, one way
	seconds int           // of simulated time
}

var bulkRuns = []bulkRun{
	{"1 flow, 1 Gbit/s, 2 ms", 1, 1e9, time.Millisecond, 1},
	{"1 flow, 100 Mbit/s, 20 ms", 1, 100e6, 10 * time.Millisecond, 10},
	{"100 flows, 1 Gbit/s, 20 ms", 100, 1e9, 10 * time.Millisecond, 1},
}

// BenchmarkNS3 has the same flows run here and in ns-3, as it is installed (Debian's
// libns3-dev; g++ builds testdata/ns3), and reports the data packets that arrive in a second
// of wall time: the median of three rounds in which they take turns. ns-3 acknowledges every
// second segment, and in a run of its own each, as hosts here do. Run it with -benchtime 1x.
func BenchmarkNS3(b *testing.B) {
	bulk := buildNS3(b)
	for _, run := range bulkRuns {
		b.Run(run.name, func(b *testing.B) {
			var ours, theirs, each []float64
			for b.Loop() {
				for range 3 {
					theirs = append(theirs, run.inNS3(b, bulk, 2))
					ours = append(ours, run.here(b))
					each = append(each, run.inNS3(b, bulk, 1))
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(ours)/1e3, "kpackets/s")
			b.ReportMetric(median(theirs)/1e3, "ns3-kpackets/s")
			b.ReportMetric(median(each)/1e3, "ns3-acking-each-kpackets/s")
			b.ReportMetric(median(ours)/median(theirs), "ratio")
		})
	}
}

// buildNS3 returns ns-3's program.
func buildNS3(b *testing.B) string {
	libs, err := exec.CommandContext(b.Context(), "pkg-config", "--libs-only-l", "ns3-point-to-point", "ns3-internet", "ns3-applications").Output()
	if err != nil {
		b.Skip("ns-3 is not installed: apt-get install libns3-dev g++ pkg-config: ", err)
	}
	program := filepath.Join(b.TempDir(), "bulk")
	args := []string{"-O2", "-o", program, filepath.Join("testdata", "ns3", "bulk.cc")}
	for _, l := range strings.Fields(string(libs)) {
		if strings.HasPrefix(l, "-lns3-") {
			args = append(args, l)
		}
	}
	if out, err := exec.CommandContext(b.Context(), "g++", args...).CombinedOutput(); err != nil {
		b.Fatalf("g++: %v\n%s", err, out)
	}
	return program
}

// inNS3 returns how many data packets a second of wall time ns-3 has arrive.
func (r *bulkRun) inNS3(b *testing.B, program string, delack int) float64 {
	out, err := exec.CommandContext(b.Context(), program, fmt.Sprint("--flows=", r.flows), fmt.Sprintf("--rate=%dbps", r.rate),
		fmt.Sprintf("--delay=%dns", r.delay), fmt.Sprint("--seconds=", r.seconds), fmt.Sprint("--delack=", delack)).Output()
	var packets, seconds float64
	if err == nil {
		_, err = fmt.Sscan(string(out), &packets, &seconds)
	}
	if err != nil {
		b.Fatalf("ns-3: %v: %s", err, out)
	}
	return packets / seconds
}

// here is inNS3 in a world.
func (r *bulkRun) here(b *testing.B) float64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // as the command does
	w := NewWorld(1)
	defer w.Close()
	config := wire.Config{Rate: r.rate, Delay: r.delay, QueueFrames: 1000}
	x, y := wire.New(w.Clock(), &config, &config)
	near, err := w.NewHost(Config{Device: x, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	if err != nil {
		b.Fatal(err)
	}
	far, err := w.NewHost(Config{Device: y, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	if err != nil {
		b.Fatal(err)
	}
	var arrived, segment int
	for i := range r.flows {
		port := fmt.Sprint(":", 1000+i)
		l, err := far.Listen("tcp", port)
		if err != nil {
			b.Fatal(err)
		}
		w.Go(func() {
			c, err := l.Accept()
			buf := make([]byte, 128<<10)
			for err == nil {
				var n int
				n, err = c.Read(buf)
				arrived += n
			}
			if err != io.EOF {
				b.Error(err)
			}
		})
		w.Go(func() {
			c, err := near.Dial("tcp", "10.0.0.2"+port)
			if err != nil {
				b.Error(err)
				return
			}
			segment = int(c.(*TCPConn).Feedback().MSS)
			buf := make([]byte, 128<<10)
			for err == nil {
				_, err = c.Write(buf)
			}
		})
	}
	began := time.Now()
	w.RunFor(time.Duration(r.seconds) * time.Second)
	return float64(arrived/segment) / time.Since(began).Seconds()
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}
