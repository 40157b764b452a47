package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// watch returns a context that ends when the program is to end before its time: with SIGINT,
// SIGTERM or SIGHUP, or when a result cannot be written, such as into a closed pipe. A run
// that it ends takes leave of its peers and prints what it has. A second signal ends the
// process at once.
func (v *console) watch() (stop func(), ctx context.Context) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, cancel)
	v.mu.Lock()
	v.stop = cancel
	if v.failed != nil {
		cancel()
	}
	v.mu.Unlock()
	return cancel, ctx
}

// wasInterrupted is the error of a run that watch's context has ended.
func wasInterrupted() error { return &problem{text: "interrupted", code: exitInterrupted} }

// ending returns how the program ends whose run has ended with err. That a result could not
// be written is what matters, where it has ended the run or nothing else is wrong.
func (v *console) ending(err error) (code int, said error) {
	v.mu.Lock()
	failure := v.failed
	v.mu.Unlock()
	var p *problem
	known := errors.As(err, &p)
	if failure != nil && (err == nil || errors.Is(err, failure) || known && p.code == exitInterrupted) {
		if errors.Is(failure, syscall.EPIPE) {
			return exitClosed, nil
		}
		return exitFailed, failed(failure, "write the result")
	}
	switch {
	case err == nil:
		return exitOK, nil
	case known:
		return p.code, err
	}
	return exitFailed, err
}
