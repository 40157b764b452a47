package stack

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"
	"unsafe"

	"gvisor.dev/gvisor/pkg/tcpip"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// netstack cannot be given a congestion controller of ours, but its connections hold theirs
// in a field of an interface type with exported methods only. It is found by reflection,
// and set while the connection is locked, and so is how large segments are: the one place in
// this package where a type is not asked. checkLayout compares all that is relied upon; with a
// gVisor that is another nothing is guessed, and connections keep what they have (builtin.go).

// CheckGVisor returns an error if this gVisor keeps its congestion controllers in another way
// than this package knows. Then connections have netstack's own CUBIC and netstack's segments,
// a whole window may wait for its departure, and all other controllers are refused with that
// error. The first host that is made tells of it in gVisor's log.
func CheckGVisor() error { return checkLayout() }

// congestionControl is netstack's interface of that name, in tcp/snd.go.
type congestionControl interface {
	HandleLossDetected()
	HandleRTOExpired()
	Update(packetsAcked int, rtt time.Duration, ackTime tcpip.MonotonicTime)
	PostRecovery()
}

// checkLayout is CheckGVisor. Tests replace it.
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
	gso, ok := endpoint.FieldByName("gso")
	if !ok || gso.Type != reflect.TypeFor[gstack.GSO]() {
		return errLayout("tcp.Endpoint has no field gso that is a stack.GSO")
	}
	scoreboard, ok := endpoint.FieldByName("scoreboard")
	if !ok || scoreboard.Type.Kind() != reflect.Pointer || scoreboard.Type.Elem().Kind() != reflect.Struct {
		return errLayout("tcp.Endpoint has no field scoreboard that points to a struct")
	}
	smss, ok := scoreboard.Type.Elem().FieldByName("smss")
	if !ok || smss.Type.Kind() != reflect.Uint16 {
		return errLayout("the scoreboard has no field smss that is a uint16")
	}
	return nil
}

func errLayout(what string) error {
	return fmt.Errorf("TCP has netstack's own CUBIC, and no other congestion control, as this gVisor has another layout (%s): build with the version in Caliper's go.mod", what)
}

var errNoSender = errors.New("the connection has no sender")

// install puts c in charge of the window of ep, which the caller has locked, and returns
// what of the sender is ours to read and set, which belongs to the lock. checkLayout has been
// passed.
func install(ep *tcp.Endpoint, c congestionControl) (*sender, error) {
	endpoint := reflect.ValueOf(ep).Elem()
	snd := endpoint.FieldByName("snd")
	if snd.IsNil() {
		return nil, errNoSender
	}
	field := func(of reflect.Value, name string) unsafe.Pointer {
		return unsafe.Pointer(of.FieldByName(name).UnsafeAddr())
	}
	reflect.NewAt(snd.Elem().FieldByName("cc").Type(), field(snd.Elem(), "cc")).Elem().Set(reflect.ValueOf(c))
	return &sender{
		TCPSenderState: (*tcp.TCPSenderState)(field(snd.Elem(), "TCPSenderState")),
		gso:            (*gstack.GSO)(field(endpoint, "gso")),
		smss:           (*uint16)(field(endpoint.FieldByName("scoreboard").Elem(), "smss")),
		unused:         unusedOptions(ep.SendTSOk, ep.SACKPermitted),
	}, nil
}
