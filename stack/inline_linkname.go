//go:build !nolinkname

package stack

import (
	_ "unsafe" // for go:linkname

	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// handleConnected is netstack's function of that name, in tcp/dispatcher.go. The linker
// does not find it in a gVisor that has none: the build tag nolinkname does without.
//
//go:linkname handleConnected gvisor.dev/gvisor/pkg/tcpip/transport/tcp.handleConnected
func handleConnected(*tcp.Endpoint)
