// Package nic is what the devices over real interfaces have in common: how a frame is sent
// and stamped, and what becomes of the interface under a run.
//
//	Line.Send   checks, write, stamp, account
//	Watch       the kernel's notifications -> State -> Line.Changed
//
// An interface that is removed, or that nothing could be sent on for a while, ends the
// device: Line.Failed tells of it at once. One that is down or has no carrier, or has got a
// smaller MTU, may be as before later: meanwhile frames are dropped as a network card drops
// them, counted by cause, and it is told.
package nic

import (
	"errors"
	"time"
)

// State is what the kernel says of an interface.
type State struct {
	Gone    bool  // it was removed, or moved to another namespace
	Up      bool  // an administrator has not taken it down
	Carrier bool  // there is somebody at the other end of the line
	MTU     int   // in bytes
	Lost    error // nothing more will be heard, and the other fields say nothing
}

// usable tells whether frames can leave.
func (s State) usable() bool { return s.Up && s.Carrier }

// Changes counts what became of an interface since it was opened.
type Changes struct {
	Downs uint64        // how often it went down or lost its carrier
	Down  time.Duration // how long that was for in all, up to now
	MTUs  uint64        // how often its MTU was changed
}

// What a write may return; all else is a link error.
var (
	ErrNoRoom  = errors.New("the kernel has no room for the frame now")
	ErrTooLong = errors.New("the frame is longer than the interface's MTU")
	ErrDown    = errors.New("the interface is down")
	ErrGone    = errors.New("the interface was removed")
)
