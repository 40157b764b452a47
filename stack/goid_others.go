//go:build !amd64 && !arm64

package stack

import "runtime"

// goroutineID tells the goroutine that calls from all others.
func goroutineID() int64 {
	b := make([]byte, 64)
	id, _ := readHeader(string(b[:runtime.Stack(b, false)]))
	return id
}
