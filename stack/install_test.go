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
