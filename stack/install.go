package stack

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"
	"unsafe"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// netstack cannot be given a congestion controller of ours, but its connections hold theirs
// in a field of an interface type with exported methods only. It is found by reflection,
// and set while the connection is locked: the one place in this package where a type is
// not asked. checkLayout compares all that is relied upon, so that another version of
// gVisor is refused and never guessed at.

// congestionControl is netstack's interface of that name, in tcp/snd.go.
type congestionControl interface {
	HandleLossDetected()
	HandleRTOExpired()
	Update(packetsAcked int, rtt time.Duration, ackTime tcpip.MonotonicTime)
	PostRecovery()
}

// checkLayout returns an error if this gVisor keeps its congestion controllers in another
// way than install knows. Then there are no TCP connections; all else works. Tests replace it.
var checkLayout = sync.OnceValue(func() error { return checkEndpoint(reflect.TypeFor[tcp.Endpoint]()) })

// checkEndpoint is checkLayout for a gVisor whose tcp.Endpoint is of that type.
func checkEndpoint(endpoint reflect.Type) error {
	snd, ok := endpoint.FieldByName("snd")
	if !ok || snd.Type.Kind() != reflect.Pointer || snd.Type.Elem().Kind() != reflect.Struct {
		return errLayout("tcp.Endpoint has no field snd that points to a struct")
	}
	state, ok := snd.Type.Elem().FieldByName("TCPSenderState")
	if !ok || !state.Anonymous || state.Type != reflect.TypeFor[tcp.TCPSenderState]() {
		return errLayout("the sender does not embed TCPSenderState")
	}
	cc, ok := snd.Type.Elem().FieldByName("cc")
	if !ok || cc.Type.Kind() != reflect.Interface {
		return errLayout("the sender has no field cc of an interface type")
	}
	ours := reflect.TypeFor[congestionControl]()
	if !ours.Implements(cc.Type) || !cc.Type.Implements(ours) {
		return errLayout("the methods of its congestion controllers are others: " + cc.Type.String())
	}
	return nil
}

func errLayout(what string) error {
	return fmt.Errorf("no congestion controller can be installed in this version of gVisor: %s: build with the version in Caliper's go.mod", what)
}

var errNoSender = errors.New("the connection has no sender")

// install puts c in charge of the window of ep, which the caller has locked, and returns
// the sender's state, which belongs to the lock. checkLayout has been passed.
func install(ep *tcp.Endpoint, c congestionControl) (*tcp.TCPSenderState, error) {
	snd := reflect.ValueOf(ep).Elem().FieldByName("snd")
	if snd.IsNil() {
		return nil, errNoSender
	}
	field := func(name string) unsafe.Pointer {
		return unsafe.Pointer(snd.Elem().FieldByName(name).UnsafeAddr())
	}
	reflect.NewAt(snd.Elem().FieldByName("cc").Type(), field("cc")).Elem().Set(reflect.ValueOf(c))
	return (*tcp.TCPSenderState)(field("TCPSenderState")), nil
}
