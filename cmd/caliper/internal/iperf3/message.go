package iperf3

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
)

// Largest messages, in bytes of JSON. iperf3 refuses parameters above 8192 since 3.18.
const (
	maxParams  = 8 << 10
	maxResults = 1 << 20
	// maxOutput is for results that carry the server's output, which grows with the test.
	// Memory is taken as it arrives.
	maxOutput = 16 << 20
)

// sendJSON sends v with its length before it.
func (c *control) sendJSON(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
}

// receiveJSON reads a message of at most limit bytes.
func (c *control) receiveJSON(limit int64) ([]byte, error) {
	until := c.deadline()
	var length [4]byte
	if err := c.readFull(length[:], until); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(length[:]))
	if n > limit {
		return nil, fmt.Errorf("a message of %d bytes is announced, and at most %d are taken", n, limit)
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, patientReader{c, until}, n); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("a message of %d bytes ends after %d: %w", n, b.Len(), err)
	}
	return b.Bytes(), nil
}

// A patientReader reads a control connection and is not disturbed by being woken.
type patientReader struct {
	c     *control
	until time.Time
}

func (r patientReader) Read(p []byte) (int, error) {
	for {
		n, err := r.c.read(p, r.until)
		if !errors.Is(err, errWoken) {
			return n, err
		}
	}
}

// A boolean is written as true. Other programs write 1 in its place.
type boolean bool

func (v *boolean) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "true", "1":
		*v = true
	case "false", "0", "null":
		*v = false
	default:
		return fmt.Errorf("%.20s is neither true nor false", b)
	}
	return nil
}

// A number is a whole number. iperf3 3.12 and 3.13 write -1 as 2^64-1, and some versions
// of its JSON library write large numbers with an exponent.
type number int64

func (n *number) UnmarshalJSON(b []byte) error {
	s := string(b)
	if v, err := strconv.ParseInt(s, 10, 64); err == nil {
		*n = number(v)
		return nil
	}
	if v, err := strconv.ParseUint(s, 10, 64); err == nil {
		*n = number(v)
		return nil
	}
	v, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil || v != math.Trunc(v) || math.Abs(v) > 1<<64:
		return fmt.Errorf("%.20s is not a whole number", b)
	case v == 1<<64:
		*n = -1
	case v >= 1<<63:
		*n = number(uint64(v))
	default:
		*n = number(v)
	}
	return nil
}

// results is what each side tells the other at the end.
type results struct {
	CPUTotal         float64         `json:"cpu_util_total"`
	CPUUser          float64         `json:"cpu_util_user"`
	CPUSystem        float64         `json:"cpu_util_system"`
	HasRetransmits   number          `json:"sender_has_retransmits"` // 1, 0, or -1 from a receiver
	CongestionUsed   string          `json:"congestion_used,omitempty"`
	Streams          []streamResult  `json:"streams"`
	ServerOutputText string          `json:"server_output_text,omitempty"`
	ServerOutputJSON json.RawMessage `json:"server_output_json,omitempty"`
}

// streamResult is one stream's part of results. Errors and Packets include those of the
// omitted time; what of them was omitted is told since iperf3 3.14.
type streamResult struct {
	ID             number  `json:"id"`
	Bytes          number  `json:"bytes"`
	Retransmits    number  `json:"retransmits"` // -1 if unknown
	Jitter         float64 `json:"jitter"`      // seconds
	Errors         number  `json:"errors"`
	OmittedErrors  *number `json:"omitted_errors,omitempty"`
	Packets        number  `json:"packets"`
	OmittedPackets *number `json:"omitted_packets,omitempty"`
	StartTime      float64 `json:"start_time"` // seconds
	EndTime        float64 `json:"end_time"`
}

// parseResults reads the peer's results of a test with the given streams.
func parseResults(b []byte, streams []*stream) (*results, error) {
	var m struct {
		results
		Streams []json.RawMessage `json:"streams"`
	}
	err := unmarshal(b, &m, "cpu_util_total", "cpu_util_user", "cpu_util_system", "sender_has_retransmits", "streams")
	if err != nil {
		return nil, err
	}
	r := m.results
	known := make(map[number]bool)
	for _, s := range streams {
		known[number(s.id)] = true
	}
	for _, b := range m.Streams {
		var s streamResult
		if err := unmarshal(b, &s, "id", "bytes", "retransmits", "jitter", "errors", "packets"); err != nil {
			return nil, err
		}
		if !known[s.ID] {
			return nil, fmt.Errorf("there is no stream with id %d, or it comes twice", s.ID)
		}
		delete(known, s.ID)
		if s.Bytes < 0 || s.Packets < 0 || s.EndTime < s.StartTime {
			return nil, fmt.Errorf("stream %d has a negative amount", s.ID)
		}
		r.Streams = append(r.Streams, s)
	}
	for _, s := range streams {
		if known[number(s.id)] {
			return nil, fmt.Errorf("there is nothing of stream %d", s.id)
		}
	}
	return &r, nil
}

// stream returns the part of the stream with that id; ok is false if there is none.
func (r *results) stream(id int) (s streamResult, ok bool) {
	if r == nil {
		return s, false
	}
	for _, s := range r.Streams {
		if s.ID == number(id) {
			return s, true
		}
	}
	return s, false
}

// unmarshal decodes an object that must have the given keys.
func unmarshal(b []byte, v any, keys ...string) error {
	var have map[string]json.RawMessage
	if err := json.Unmarshal(b, &have); err != nil {
		return err
	}
	for _, key := range keys {
		if _, ok := have[key]; !ok {
			return fmt.Errorf("the key %q is missing", key)
		}
	}
	return json.Unmarshal(b, v)
}
