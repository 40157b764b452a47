//go:build !race

package stack

const slow = false
