package iperf3

import (
	"strconv"
	"strings"
	"testing"
)

// FuzzUnits reads rates and sizes: what is taken is within bounds, and read as it is written
// without its unit.
func FuzzUnits(f *testing.F) {
	for _, s := range []string{"500M", "1.5G", "0", "128k", ".5t", "1000T", "9007199254740993", "1e9", "0x10", "inf", "K", "5M/10", "-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, of := range []struct {
			parse func(string) (int64, error)
			most  int64
		}{{ParseRate, 1e15}, {ParseSize, 1 << 50}} {
			n, err := of.parse(s)
			if err != nil {
				if n != 0 || len(err.Error()) > 600 {
					t.Errorf("%q: %d, and an error of %d bytes", s, n, len(err.Error()))
				}
				continue
			}
			if n < 0 || n > of.most {
				t.Errorf("%q is %d", s, n)
			}
			if again, err := of.parse(strconv.FormatInt(n, 10)); err != nil || again != n {
				t.Errorf("%q is %d, read again %d, %v", s, n, again, err)
			}
			if lower, err := of.parse(strings.ToLower(s)); err != nil || lower != n {
				t.Errorf("%q is %d, in small letters %d, %v", s, n, lower, err)
			}
		}
	})
}
