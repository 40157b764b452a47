//go:build race

package netfpga_test

// slow says that the race detector watches, under which a packet takes some 10 us.
const slow = true
