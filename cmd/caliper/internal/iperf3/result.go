package iperf3

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"
)

// compatible is the release of iperf3 whose output ours is like.
const compatible = "3.12"

// Version is what a Result calls the program.
const Version = "iperf " + compatible + " (caliper)"

// A Result is what iperf3 -J prints. What a test has not got to is absent.
type Result struct {
	Start Start `json:"start"`
	// Intervals are kept for FormatJSON only; otherwise they are reported and forgotten.
	Intervals        []Interval      `json:"intervals"`
	End              End             `json:"end"`
	Title            string          `json:"title,omitempty"`
	ExtraData        string          `json:"extra_data,omitempty"`
	ServerOutputText string          `json:"server_output_text,omitempty"`
	ServerOutputJSON json.RawMessage `json:"server_output_json,omitempty"`
	Error            string          `json:"error,omitempty"`

	// Caliper is for the caller's own findings, which iperf3 has not.
	Caliper any `json:"caliper,omitempty"`

	// Paced tells that the Host spaces the frames which this side sends.
	Paced bool `json:"-"`

	// Congestion is the congestion control of what this side sends; "" if it sends no TCP.
	Congestion string `json:"-"`
}

// Write writes r as JSON, in lines.
func (r *Result) Write(w io.Writer) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "\t")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return err
	}
	_, err := w.Write(floats(b.Bytes()))
	return err
}

// WriteEvent writes one line of --json-stream, as iperf3 does since 3.17.
func WriteEvent(w io.Writer, event string, data any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(struct {
		Event string `json:"event"`
		Data  any    `json:"data"`
	}{event, data})
	if err != nil {
		return err
	}
	_, err = w.Write(floats(b.Bytes()))
	return err
}

// floats returns JSON with the fractions written as iperf3's library writes them: 15 digits,
// or 17 where those are not exact.
func floats(in []byte) []byte {
	out := make([]byte, 0, len(in)+len(in)/8)
	for i := 0; i < len(in); {
		n := 1
		switch c := in[i]; {
		case c == '"':
			for ; in[i+n] != '"'; n++ {
				if in[i+n] == '\\' {
					n++
				}
			}
			n++
		case c == '-' || '0' <= c && c <= '9':
			n = bytes.IndexFunc(in[i:], func(r rune) bool { return !strings.ContainsRune("+-.0123456789eE", r) })
			v, err := strconv.ParseFloat(string(in[i:i+n]), 64)
			if err != nil || !bytes.ContainsAny(in[i:i+n], ".eE") {
				break
			}
			s := strconv.FormatFloat(v, 'g', 15, 64)
			if again, _ := strconv.ParseFloat(s, 64); again != v {
				s = strconv.FormatFloat(v, 'g', 17, 64)
			}
			out, i = append(out, s...), i+n
			continue
		}
		out, i = append(out, in[i:i+n]...), i+n
	}
	return out
}

// Start is what is known when the streams begin.
type Start struct {
	Connected  []Connected `json:"connected"`
	Version    string      `json:"version"`
	SystemInfo string      `json:"system_info"`
	Timestamp  *Timestamp  `json:"timestamp,omitempty"`
	Connecting *HostPort   `json:"connecting_to,omitempty"`       // of a client
	Accepted   *HostPort   `json:"accepted_connection,omitempty"` // of a server
	Cookie     string      `json:"cookie,omitempty"`
	MSS        *int        `json:"tcp_mss_default,omitempty"` // 0 if unknown
	*Sockets
	TestStart *TestStart `json:"test_start,omitempty"`
}

// Connected is the two ends of a stream.
type Connected struct {
	Socket     int    `json:"socket"`
	LocalHost  string `json:"local_host"`
	LocalPort  int    `json:"local_port"`
	RemoteHost string `json:"remote_host"`
	RemotePort int    `json:"remote_port"`
}

// Timestamp is when the test began.
type Timestamp struct {
	Time    string `json:"time"`
	Seconds int64  `json:"timesecs"`
}

// HostPort is an end of the control connection.
type HostPort struct {
	Host string `json:"host"`
	Port int    `json:"port"`
}

// Sockets is how the sockets of the streams are set up: the rate in bit/s and the sizes
// of buffers in bytes, 0 if unknown.
type Sockets struct {
	TargetBitrate int64 `json:"target_bitrate"`
	Buffer        int   `json:"sock_bufsize"` // asked for, which here is never
	SendBuffer    int   `json:"sndbuf_actual"`
	ReceiveBuffer int   `json:"rcvbuf_actual"`
}

// TestStart is the parameters.
type TestStart struct {
	Protocol      string `json:"protocol"`
	Streams       int    `json:"num_streams"`
	BlockSize     int    `json:"blksize"`
	Omit          int    `json:"omit"`     // s
	Duration      int    `json:"duration"` // s
	Bytes         int64  `json:"bytes"`
	Blocks        int64  `json:"blocks"`
	Reverse       int    `json:"reverse"`
	TOS           int    `json:"tos"`
	TargetBitrate int64  `json:"target_bitrate"`
}

// A Measure is what passed one stream, or several together, in one span of time. What
// does not apply, or is unknown, is absent.
type Measure struct {
	Socket        int     `json:"socket,omitempty"` // 0 for a sum
	Start         float64 `json:"start"`            // s since the measurement began
	End           float64 `json:"end"`
	Seconds       float64 `json:"seconds"`
	Bytes         int64   `json:"bytes"`
	BitsPerSecond float64 `json:"bits_per_second"`

	Retransmits  *int64 `json:"retransmits,omitempty"` // of a TCP sender
	*SenderState        // of a TCP sender, at the end of an interval
	*SenderPeaks        // of a TCP sender, over the test
	*Loss               // of UDP datagrams, at their receiver
	Packets      *int64 `json:"packets,omitempty"` // of UDP
	OutOfOrder   *int64 `json:"out_of_order,omitempty"`
	Omitted      *bool  `json:"omitted,omitempty"` // of an interval
	Sender       bool   `json:"sender"`            // this side is it
}

// SenderState is the state of a TCP connection.
type SenderState struct {
	Cwnd       int64 `json:"snd_cwnd"` // bytes
	SendWindow int64 `json:"snd_wnd"`  // bytes
	RTT        int64 `json:"rtt"`      // us
	RTTVar     int64 `json:"rttvar"`   // us
	PMTU       int   `json:"pmtu"`     // bytes

	Loop *Loop `json:"caliper,omitempty"`
}

// SenderPeaks is what the state of a TCP connection has been at the ends of intervals.
type SenderPeaks struct {
	MaxCwnd       int64 `json:"max_snd_cwnd"` // bytes
	MaxSendWindow int64 `json:"max_snd_wnd"`  // bytes
	MaxRTT        int64 `json:"max_rtt"`      // us
	MinRTT        int64 `json:"min_rtt"`      // us
	MeanRTT       int64 `json:"mean_rtt"`     // us
}

// Loss is what happened to datagrams.
type Loss struct {
	JitterMS    float64 `json:"jitter_ms"` // RFC 1889
	LostPackets int64   `json:"lost_packets"`
	LostPercent float64 `json:"lost_percent"`
}

// An Interval is what passed from one report to the next. With both directions at once,
// Sum is from the client to the server.
type Interval struct {
	Streams    []Measure `json:"streams"`
	Sum        Measure   `json:"sum"`
	SumReverse *Measure  `json:"sum_bidir_reverse,omitempty"`
}

// End is the summary. A server makes it before it knows the client's results.
type End struct {
	Streams            []EndStream `json:"streams,omitempty"`
	Sum                *Measure    `json:"sum,omitempty"` // of UDP
	SumSent            *Measure    `json:"sum_sent,omitempty"`
	SumReceived        *Measure    `json:"sum_received,omitempty"`
	SumReverse         *Measure    `json:"sum_bidir_reverse,omitempty"` // of UDP
	SumSentReverse     *Measure    `json:"sum_sent_bidir_reverse,omitempty"`
	SumReceivedReverse *Measure    `json:"sum_received_bidir_reverse,omitempty"`
	CPU                *CPU        `json:"cpu_utilization_percent,omitempty"`
	SenderCongestion   string      `json:"sender_tcp_congestion,omitempty"`
	ReceiverCongestion string      `json:"receiver_tcp_congestion,omitempty"`
}

// EndStream is the summary of a stream. Of UDP, iperf3 prints the one object with what
// both sides know.
type EndStream struct {
	Sender   Measure
	Receiver Measure
	UDP      *Measure
}

// MarshalJSON implements json.Marshaler.
func (s EndStream) MarshalJSON() ([]byte, error) {
	if s.UDP != nil {
		return json.Marshal(struct {
			UDP *Measure `json:"udp"`
		}{s.UDP})
	}
	return json.Marshal(struct {
		Sender   *Measure `json:"sender"`
		Receiver *Measure `json:"receiver"`
	}{&s.Sender, &s.Receiver})
}

// CPU is processor time in percent of the time that the test took.
type CPU struct {
	HostTotal    float64 `json:"host_total"`
	HostUser     float64 `json:"host_user"`
	HostSystem   float64 `json:"host_system"`
	RemoteTotal  float64 `json:"remote_total"`
	RemoteUser   float64 `json:"remote_user"`
	RemoteSystem float64 `json:"remote_system"`
}
