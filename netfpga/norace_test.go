//go:build !race

package netfpga_test

const slow = false
