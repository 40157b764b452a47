package iperf3

import (
	"encoding/json"
	"fmt"
	"time"
)

// Bounds of what a client may ask for, in the manner of iperf3.
const (
	maxStreams  = 128
	maxTCPBlock = 1 << 20
	minUDPBlock = 16
	maxUDPBlock = 65507
	maxTime     = 24 * time.Hour
	maxOmit     = 10 * time.Minute
	maxAmount   = 1 << 50 // bytes or blocks
)

// Defaults of iperf3.
const (
	defaultTime     = 10 * time.Second
	defaultTCPBlock = 128 << 10
	// What an Ethernet path of 1500 bytes takes whole, as the MSS of a TCP connection
	// with time stamps.
	udpBlock4 = 1448
	udpBlock6 = 1428
)

// Unlimited is a Bitrate without a limit.
const Unlimited = -1

// DefaultUDPRate is the rate of a UDP stream for which none is given, in bit/s of payload.
const DefaultUDPRate = 1 << 20

// Params says what to test. The zero value is iperf3's default: one TCP stream for 10 s.
type Params struct {
	UDP bool // -u

	// How long: one of these at most; with none it is 10 s.
	Duration time.Duration // -t, whole seconds
	Bytes    int64         // -n, of all streams together
	Blocks   int64         // -k, of all streams together

	Omit    time.Duration // -O, whole seconds before the measurement begins
	Streams int           // -P, in each direction; 0 means 1

	// Length is how many bytes are written at a time, in UDP the payload of a datagram
	// (-l). 0 means 128 KiB with TCP; with UDP 1448 over IPv4 and 1428 over IPv6.
	Length int

	// Bitrate is bit/s of payload of each stream (-b). 0 means 1048576 with UDP and
	// Unlimited with TCP.
	Bitrate int64

	Reverse bool // -R: the server sends
	Bidir   bool // --bidir: both send

	// Congestion is the congestion control of the TCP connections that send (-C); ""
	// means the Host's own. A server is told where it sends: one that has no such control
	// would refuse the test.
	Congestion string

	NoDelay          bool // -N, where the Host's connections have the choice
	GetServerOutput  bool // --get-server-output
	UDPCounters64    bool // --udp-counters-64bit
	RepeatingPayload bool // --repeating-payload: digits in place of noise

	Title     string // -T, before every line
	ExtraData string // --extra-data, for both sides' JSON
}

// Validate returns nil, or what is wrong in a sentence that says what to do.
func (p *Params) Validate() error {
	amounts := 0
	for _, given := range []bool{p.Duration != 0, p.Bytes != 0, p.Blocks != 0} {
		if given {
			amounts++
		}
	}
	longest := maxTCPBlock
	if p.UDP {
		longest = maxUDPBlock
	}
	switch {
	case amounts > 1:
		return fmt.Errorf("time (-t), bytes (-n) and blocks (-k) each end the test; give only one of them")
	case p.Bytes < 0 || p.Blocks < 0 || p.Bytes > maxAmount || p.Blocks > maxAmount:
		return fmt.Errorf("bytes (-n) and blocks (-k) must be positive, and at most %d", int64(maxAmount))
	case p.Duration < 0 || p.Duration > maxTime || p.Duration%time.Second != 0:
		return fmt.Errorf("time (-t) of %v: it must be whole seconds, at most %v", p.Duration, maxTime)
	case p.Omit < 0 || p.Omit > maxOmit || p.Omit%time.Second != 0:
		return fmt.Errorf("omitted time (-O) of %v: it must be whole seconds, at most %v", p.Omit, maxOmit)
	case p.Streams < 0 || p.Streams > maxStreams:
		return fmt.Errorf("%d streams (-P): there can be 1 to %d", p.Streams, maxStreams)
	case p.Length < 0 || p.Length > longest || p.UDP && p.Length != 0 && p.Length < minUDPBlock:
		return fmt.Errorf("length (-l) of %d bytes: it may be at most %d with TCP, and %d to %d with UDP",
			p.Length, maxTCPBlock, minUDPBlock, maxUDPBlock)
	case p.Bitrate < Unlimited:
		return fmt.Errorf("rate (-b) of %d bit/s: it must not be negative", p.Bitrate)
	case p.Reverse && p.Bidir:
		return fmt.Errorf("reverse (-R) and --bidir exclude each other; --bidir has the reverse direction in it")
	case p.UDPCounters64 && !p.UDP:
		return fmt.Errorf("--udp-counters-64bit is for UDP; add -u")
	}
	if b, err := json.Marshal(p.message()); err != nil || len(b) > maxParams {
		return fmt.Errorf("title (-T) and --extra-data are too long: %d bytes of parameters, at most %d", len(b), maxParams)
	}
	return nil
}

// complete returns p with the defaults put in place of zeros.
func (p Params) complete(ipv6 bool) Params {
	if p.Duration == 0 && p.Bytes == 0 && p.Blocks == 0 {
		p.Duration = defaultTime
	}
	if p.Streams == 0 {
		p.Streams = 1
	}
	switch {
	case p.Length != 0:
	case !p.UDP:
		p.Length = defaultTCPBlock
	case ipv6:
		p.Length = udpBlock6
	default:
		p.Length = udpBlock4
	}
	switch {
	case p.Bitrate == 0 && p.UDP:
		p.Bitrate = DefaultUDPRate
	case p.Bitrate == 0:
		p.Bitrate = Unlimited
	}
	return p
}

// rate is the rate of a stream in bit/s, 0 for no limit, as iperf3 writes it.
func (p *Params) rate() int64 { return max(0, p.Bitrate) }

// streams returns how many streams there are, in both directions.
func (p *Params) streams() int {
	if p.Bidir {
		return 2 * p.Streams
	}
	return p.Streams
}

// sends tells whether this side sends on the stream with that index. The client opens
// those first on which it sends.
func (p *Params) sends(index int, server bool) bool {
	forward := !p.Reverse && index < p.Streams
	return forward != server
}

// paramsMessage is Params as the client sends them. Flags are true or absent.
type paramsMessage struct {
	TCP             boolean `json:"tcp,omitempty"`
	UDP             boolean `json:"udp,omitempty"`
	Omit            number  `json:"omit"` // seconds
	Time            number  `json:"time"` // seconds
	Num             number  `json:"num"`
	BlockCount      number  `json:"blockcount"`
	NoDelay         boolean `json:"nodelay,omitempty"`
	Parallel        number  `json:"parallel"`
	Reverse         boolean `json:"reverse,omitempty"`
	Bidirectional   boolean `json:"bidirectional,omitempty"`
	Len             number  `json:"len"`
	Bandwidth       number  `json:"bandwidth,omitempty"`
	PacingTimer     number  `json:"pacing_timer"` // us
	Congestion      string  `json:"congestion,omitempty"`
	Title           string  `json:"title,omitempty"`
	ExtraData       string  `json:"extra_data,omitempty"`
	GetServerOutput number  `json:"get_server_output,omitempty"`
	Counters64      number  `json:"udp_counters_64bit,omitempty"`
	Repeating       number  `json:"repeating_payload,omitempty"`
	ClientVersion   string  `json:"client_version"`
}

// message returns complete parameters in the form in which they are sent.
func (p *Params) message() *paramsMessage {
	congestion := p.Congestion
	if !p.Reverse && !p.Bidir {
		congestion = ""
	}
	return &paramsMessage{
		TCP: boolean(!p.UDP), UDP: boolean(p.UDP),
		Omit: number(p.Omit / time.Second), Time: number(p.Duration / time.Second),
		Num: number(p.Bytes), BlockCount: number(p.Blocks),
		NoDelay: boolean(p.NoDelay), Parallel: number(p.Streams),
		Reverse: boolean(p.Reverse), Bidirectional: boolean(p.Bidir),
		Len: number(p.Length), Bandwidth: number(p.rate()), PacingTimer: 1000,
		Congestion: congestion, Title: p.Title, ExtraData: p.ExtraData,
		GetServerOutput: oneIf(p.GetServerOutput), Counters64: oneIf(p.UDPCounters64), Repeating: oneIf(p.RepeatingPayload),
		ClientVersion: compatible,
	}
}

func oneIf(b bool) number {
	if b {
		return 1
	}
	return 0
}

// parseParams reads a client's parameters. The result is complete and valid.
func parseParams(b []byte) (Params, error) {
	var m paramsMessage
	if err := json.Unmarshal(b, &m); err != nil {
		return Params{}, err
	}
	if m.UDP == m.TCP {
		return Params{}, fmt.Errorf("the protocol must be either TCP or UDP")
	}
	if m.Len < 1 || m.Parallel < 1 {
		return Params{}, fmt.Errorf("%d streams with blocks of %d bytes", m.Parallel, m.Len)
	}
	if m.Time < 0 || m.Time > number(maxTime/time.Second) || m.Omit < 0 || m.Omit > number(maxOmit/time.Second) {
		return Params{}, fmt.Errorf("a time of %d s after %d s omitted", m.Time, m.Omit)
	}
	if m.Len > maxTCPBlock || m.Parallel > maxStreams || m.Bandwidth < 0 {
		return Params{}, fmt.Errorf("%d streams of %d bit/s with blocks of %d bytes", m.Parallel, m.Bandwidth, m.Len)
	}
	p := Params{
		UDP:  bool(m.UDP),
		Omit: time.Duration(m.Omit) * time.Second, Duration: time.Duration(m.Time) * time.Second,
		Bytes: int64(m.Num), Blocks: int64(m.BlockCount),
		Streams: int(m.Parallel), Length: int(m.Len), Bitrate: int64(m.Bandwidth),
		Reverse: bool(m.Reverse), Bidir: bool(m.Bidirectional), NoDelay: bool(m.NoDelay),
		GetServerOutput: m.GetServerOutput > 0, UDPCounters64: m.Counters64 > 0, RepeatingPayload: m.Repeating > 0,
		Congestion: m.Congestion, Title: m.Title, ExtraData: m.ExtraData,
	}
	if p.Bitrate == 0 {
		p.Bitrate = Unlimited
	}
	if p.Bytes != 0 || p.Blocks != 0 {
		p.Duration = 0
	}
	if !p.UDP {
		p.UDPCounters64 = false // iperf3 sends it with TCP too, where it means nothing
	}
	return p, p.Validate()
}

// MaxRTT returns the round trip time of a path on which a server, ours or iperf3's, gives up
// a test before it has begun: the client opens one stream after the other, and has patience
// for all of them together, and with UDP so many tries for each.
func (p *Params) MaxRTT() time.Duration {
	rtt := patience / time.Duration(p.streams()+1)
	if p.UDP {
		rtt = min(rtt, helloTimes*helloEvery)
	}
	return rtt
}
