//go:build race

package stack

// slow tells that the race detector runs, which makes a world twenty times slower.
const slow = true
