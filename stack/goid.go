//go:build amd64 || arm64

package stack

import "gvisor.dev/gvisor/pkg/goid"

// goroutineID tells the goroutine that calls from all others.
func goroutineID() int64 { return goid.Get() }
