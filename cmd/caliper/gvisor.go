package main

import (
	"fmt"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/log"
)

// netstackLog tells of what netstack warns of, in the program's own voice: each thing once,
// as it may go on with every packet that a peer sends.
type netstackLog struct {
	console *console
	mu      sync.Mutex
	told    map[string]bool // by format
}

// hearNetstack has all that netstack logs go through v. Information is dropped.
func hearNetstack(v *console) {
	log.SetTarget(&netstackLog{console: v, told: make(map[string]bool)})
	log.SetLevel(log.Warning)
}

// Emit implements log.Emitter.
func (l *netstackLog) Emit(_ int, _ log.Level, _ time.Time, format string, args ...any) {
	l.mu.Lock()
	told := l.told[format]
	l.told[format] = true
	l.mu.Unlock()
	if !told {
		l.console.remark(fmt.Errorf("netstack: %s", fmt.Sprintf(format, args...)))
	}
}
