package endpoint

import "testing"

// FuzzClaim has any frame as large as an Ethernet header.
func FuzzClaim(f *testing.F) {
	arp := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1,
		2, 0, 0, 0, 0, 2, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 9}
	if a, by, ok := claim(arp); !ok || a.String() != "10.0.0.1" || by.String() != "02:00:00:00:00:02" {
		f.Errorf("of an ARP request: %v, %v, %v", a, by, ok)
	}
	probe := append([]byte(nil), arp...)
	copy(probe[28:], []byte{0, 0, 0, 0})
	if _, _, ok := claim(probe); ok {
		f.Error("who probes claims nothing yet")
	}
	f.Add(arp)
	f.Add(append([]byte{0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 24, 58, 255}, make([]byte, 64)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 14 {
			return
		}
		if a, by, ok := claim(b); ok && (!a.IsValid() || len(by) != 6) {
			t.Errorf("%v at %v", a, by)
		}
	})
}
