package stack

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// Endpoints of a gVisor that has changed are refused, and it is said what is missing.
func TestAnotherLayoutIsRefused(t *testing.T) {
	const snd, state, field, methods = "has no field snd that points to a struct", "does not embed TCPSenderState",
		"has no field cc of an interface type", "methods of its congestion controllers are others"
	for _, c := range []struct {
		endpoint reflect.Type
		want     string
	}{
		{reflect.TypeFor[struct{ sender *int }](), snd},
		{reflect.TypeFor[struct{ snd *int }](), snd},
		{reflect.TypeFor[struct {
			snd struct{ cc congestionControl }
		}](), snd},
		{endpointOf[struct{ cc congestionControl }](), state},
		{endpointOf[struct {
			TCPSenderState int
			cc             congestionControl
		}](), state},
		{endpointOf[struct{ tcp.TCPSenderState }](), field},
		{endpointOf[struct {
			tcp.TCPSenderState
			cc int
		}](), field},
		{endpointOf[struct {
			tcp.TCPSenderState
			cc interface{ PostRecovery() }
		}](), methods},
		{endpointOf[struct {
			tcp.TCPSenderState
			cc interface {
				HandleLossDetected()
				HandleRTOExpired()
				Update(packetsAcked int, rtt time.Duration)
				PostRecovery()
			}
		}](), methods},
		{endpointOf[struct {
			tcp.TCPSenderState
			cc interface {
				congestionControl
				Undo()
			}
		}](), methods},
	} {
		err := checkEndpoint(c.endpoint)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "go.mod") {
			t.Errorf("%v: %v, want %q", c.endpoint, err, c.want)
		}
	}
}

// endpointOf returns the type of an endpoint with that type of sender.
func endpointOf[Sender any]() reflect.Type { return reflect.TypeFor[struct{ snd *Sender }]() }

// With another gVisor a host has its UDP and answers pings; what is TCP's is refused, and it
// is said why.
func TestAnotherLayoutFailsTCPAlone(t *testing.T) {
	defer func(f func() error) { checkLayout = f }(checkLayout)
	checkLayout = func() error { return errLayout("it is another") }
	w, near, far := world(t, 1)
	u, err := far.ListenPacket("udp", ":9")
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, err error) {
		if err == nil || !strings.Contains(err.Error(), "it is another") || !strings.Contains(err.Error(), "go.mod") {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = far.Listen("tcp", ":1")
	refused("listen", err)
	err = w.Run(func() {
		_, err := near.Dial("tcp", "10.0.0.2:1")
		refused("dial", err)
		c, err := near.Dial("udp", "10.0.0.2:9")
		if err == nil {
			_, err = c.Write([]byte("hello"))
		}
		b := make([]byte, 10)
		if err == nil {
			_, _, err = u.ReadFrom(b)
		}
		if err != nil || string(b[:5]) != "hello" {
			t.Errorf("UDP: %q, %v", b, err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
