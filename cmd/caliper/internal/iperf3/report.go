package iperf3

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Format is the form of a report.
type Format int

// The forms.
const (
	// FormatText writes lines as the test goes on.
	FormatText Format = iota
	// FormatJSON writes nothing: the caller writes the Result when the test is over.
	FormatJSON
	// FormatJSONStream writes one line of JSON an event, as --json-stream.
	FormatJSONStream
)

// Report says how a test is reported.
type Report struct {
	Out    io.Writer // nil: nowhere
	Format Format

	// Interval is the time between reports (-i): 0.1 to 60 s; 0 means 1 s, and a negative
	// one that there is a report only at the end.
	Interval time.Duration

	// Units is the unit of rates (-f): one of k, m, g, t for bits and K, M, G, T for bytes;
	// 0 means what suits each number.
	Units byte

	// Loop has the text say of a TCP sender what only a Host that paces knows.
	Loop bool

	// System is what JSON calls the machine; "" means what uname says of it. In virtual
	// time it should be the same on every machine.
	System string

	// OnInterval is called with every interval, if it is not nil. It must not block.
	OnInterval func(*Interval)
}

// Validate returns nil, or what is wrong in a sentence that says what to do.
func (r *Report) Validate() error {
	if r.Interval > 0 && (r.Interval < 100*time.Millisecond || r.Interval > time.Minute) {
		return fmt.Errorf("interval (-i) of %v: it must be 0, or from 0.1 to 60 s", r.Interval)
	}
	if r.Units != 0 && !strings.ContainsRune("kmgtKMGT", rune(r.Units)) {
		return fmt.Errorf("units (-f) %q: give one of k, m, g, t for bits or K, M, G, T for bytes", r.Units)
	}
	return nil
}

// maxCapture is how much of its text a server keeps for a client that asks for it.
const maxCapture = 512 << 10

// A reporter writes the report of one test and fills its Result.
type reporter struct {
	Report
	result  *Result
	lines   lines
	prefix  Title         // before every line
	capture *bytes.Buffer // nil: the text is not kept
	printed bool          // an interval was reported
	err     error         // the first one of Out
}

// newReporter returns the reporter of a test whose parameters are not known yet.
func newReporter(r Report) *reporter {
	if r.Out == nil {
		r.Out = io.Discard
	}
	if r.Interval == 0 {
		r.Interval = time.Second
	}
	if r.Units == 0 {
		r.Units = 'a'
	}
	if r.System == "" {
		r.System = systemInfo()
	}
	return &reporter{Report: r, result: &Result{
		Start: Start{
			Connected: []Connected{},
			Version:   Version, SystemInfo: r.System,
		},
		Intervals: []Interval{},
	}}
}

// agreed reports that client and server agree on the parameters.
func (r *reporter) agreed(t *test, control *HostPort) {
	p := &t.params
	now := t.host.Now()
	start := &r.result.Start
	start.Timestamp = &Timestamp{now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"), now.Unix()}
	start.Cookie = t.cookie
	r.result.Title, r.result.ExtraData = p.Title, p.ExtraData
	r.lines = lines{udp: p.UDP, bidir: p.Bidir, server: t.server, parallel: p.Streams, units: r.Units, loop: r.Loop}
	if t.server {
		start.Accepted = control
		if p.GetServerOutput {
			r.capture = new(bytes.Buffer)
		}
		r.text("Accepted connection from %s, port %d\n", control.Host, control.Port)
	} else {
		start.Connecting = control
		r.prefix = Title(p.Title)
		r.text("Connecting to host %s, port %d\n", control.Host, control.Port)
		if p.Reverse {
			r.text("Reverse mode, remote host %s is sending\n", control.Host)
		}
	}
	if !p.UDP {
		mss := 0
		if info, ok := t.host.TCPInfo(t.ctl.conn); ok {
			mss = info.MSS
		}
		start.MSS = &mss
	}
}

// started reports that all streams are open.
func (r *reporter) started(t *test) {
	p := &t.params
	start := &r.result.Start
	for _, s := range t.streams {
		local, remote := hostPort(s.conn.LocalAddr()), hostPort(s.conn.RemoteAddr())
		start.Connected = append(start.Connected, Connected{s.socket, local.Host, local.Port, remote.Host, remote.Port})
		r.text("[%3d] local %s port %d connected to %s port %d\n", s.socket, local.Host, local.Port, remote.Host, remote.Port)
	}
	start.Sockets = &Sockets{TargetBitrate: p.rate()}
	start.SendBuffer, start.ReceiveBuffer = buffers(pacedConn(t.streams[0].conn))
	start.TestStart = &TestStart{
		Protocol: "TCP", Streams: p.Streams, BlockSize: p.Length,
		Omit: int(p.Omit / time.Second), Duration: int(p.Duration / time.Second),
		Bytes: p.Bytes, Blocks: p.Blocks, TargetBitrate: p.rate(),
	}
	if p.UDP {
		start.TestStart.Protocol = "UDP"
	}
	if p.Reverse {
		start.TestStart.Reverse = 1
	}
	r.event("start", start)
}

// interval reports what has passed since the last report.
func (r *reporter) interval(iv *Interval) {
	if r.Format == FormatJSON {
		r.result.Intervals = append(r.result.Intervals, *iv)
	}
	r.text("%s", r.lines.interval(iv, !r.printed))
	r.event("interval", iv)
	r.printed = true
	if r.OnInterval != nil {
		r.OnInterval(iv)
	}
}

// ended reports the summary.
func (r *reporter) ended(end End) {
	r.result.End = end
	r.text("%s", r.lines.end(&end))
	if r.result.ServerOutputText != "" {
		r.text("\nServer output:\n%s\n", r.result.ServerOutputText)
		r.event("server_output_text", r.result.ServerOutputText)
	}
	if r.result.ServerOutputJSON != nil {
		r.text("\nServer JSON output:\n%s\n", r.result.ServerOutputJSON)
		r.event("server_output_json", r.result.ServerOutputJSON)
	}
	r.event("end", end)
}

// failed notes why the test failed.
func (r *reporter) failed(err error) {
	r.result.Error = err.Error()
	r.event("error", r.result.Error)
}

// text writes lines.
func (r *reporter) text(format string, args ...any) {
	if r.Format != FormatText {
		return
	}
	s := fmt.Sprintf(format, args...)
	if r.capture != nil {
		r.capture.WriteString(s[:min(len(s), maxCapture-r.capture.Len())])
	}
	s = r.prefix.Before(s)
	if _, err := io.WriteString(r.Out, s); err != nil && r.err == nil {
		r.err = fmt.Errorf("cannot write the report: %w", err)
	}
}

// A Title stands before every line of text (-T).
type Title string

// Before returns lines with the title before each.
func (t Title) Before(text string) string {
	if t == "" {
		return text
	}
	before := string(t) + ":  "
	all := strings.SplitAfter(text, "\n")
	return before + strings.Join(all[:len(all)-1], before)
}

// event writes one event of a stream of JSON.
func (r *reporter) event(name string, data any) {
	if r.Format != FormatJSONStream {
		return
	}
	if err := WriteEvent(r.Out, name, data); err != nil && r.err == nil {
		r.err = fmt.Errorf("cannot write the report: %w", err)
	}
}

// buffers returns the sizes of a socket's buffers in bytes, 0 if they are unknown.
func buffers(c any) (send, receive int) {
	if b, ok := c.(interface{ Buffers() (send, receive int) }); ok {
		return b.Buffers()
	}
	return socketBuffers(c)
}

// serverOutput puts what this server has reported into its results, for a client that
// asked for it.
func (r *reporter) serverOutput(m *results) {
	switch {
	case r.capture == nil:
	case r.Format == FormatText:
		m.ServerOutputText = r.capture.String()
	default:
		if b, err := json.Marshal(r.result); err == nil && len(b) <= maxCapture {
			m.ServerOutputJSON = b
		}
	}
}

// hostPort returns the two parts of an address.
func hostPort(a net.Addr) HostPort {
	ap := addrPort(a)
	return HostPort{ap.Addr().String(), int(ap.Port())}
}
