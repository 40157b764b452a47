//go:build !linux

package nic

import "errors"

// A Watcher hears from the kernel what becomes of an interface. It needs Linux.
type Watcher struct{}

// Watch needs Linux.
func Watch(int, func(State)) (*Watcher, error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (*Watcher) Close() {}
