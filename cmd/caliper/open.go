package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/stack"
	"github.com/netcaliper/caliper/stack/testbed"
)

// open makes the testbed, and says in the program's voice what is in the way. under, which
// may be nil, makes what is under the cards.
func (s *setup) open(v *console, under func(*testbed.Testbed, link.Device) link.Device) (*testbed.Testbed, error) {
	b, err := testbed.New(s.Config, &testbed.Hooks{Tell: v.remark, UnderCard: under})
	var capture *testbed.CaptureError
	var host *testbed.HostError
	switch {
	case err == nil:
		return b, nil
	case errors.As(err, &capture):
		return nil, badInput(capture.Err, "%s", s.captureFlag())
	case errors.As(err, &host):
		p := badInput(host.Err, "")
		if errors.As(err, new(*stack.DuplicateError)) {
			p.hint("give --addr one that is free, or take it from the other station")
		}
		return nil, p
	case errors.Is(err, fs.ErrPermission):
		return nil, &problem{err: err, code: exitNoRights}
	case errors.As(err, new(syscall.Errno)):
		return nil, failed(err, "")
	}
	return nil, badInput(err, "") // such as a name that there is already
}

// close closes the testbed, and returns what went wrong with the capture.
func (s *setup) close(b *testbed.Testbed) error {
	err := b.Close()
	if capture := new(testbed.CaptureError); errors.As(err, &capture) {
		return failed(capture.Err, "%s", s.captureFlag())
	}
	return err
}

// captureFlag is the flag that the capture was asked for with.
func (s *setup) captureFlag() string {
	if s.port.kind == testbed.Pcap {
		return fmt.Sprintf("--port %v", s.port)
	}
	return "--pcap"
}

// whileUp returns a context that ends with ctx, and when a real interface is lost.
func whileUp(ctx context.Context, b *testbed.Testbed) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if lost := b.Done(); lost != nil {
		go func() {
			select {
			case <-lost:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	return ctx, cancel
}

// lost returns why a real interface is lost, nil if none is.
func lost(b *testbed.Testbed) error {
	if err := b.Err(); err != nil {
		return failed(err, "")
	}
	return nil
}
