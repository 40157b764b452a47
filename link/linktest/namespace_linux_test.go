package linktest_test

import (
	"net"
	"testing"

	"github.com/netcaliper/caliper/link/linktest"
)

func TestNamespace(t *testing.T) {
	linktest.Namespace(t)
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.Name == "lo" && i.Flags&net.FlagUp == 0 {
			t.Error("the loopback interface is down")
		}
		if i.Flags&net.FlagUp != 0 && i.Name != "lo" {
			t.Errorf("there is an interface %s", i.Name)
		}
	}
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.WriteTo([]byte("to myself"), c.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	if n, _, err := c.ReadFrom(b); err != nil || string(b[:n]) != "to myself" {
		t.Errorf("read %q, %v", b[:n], err)
	}
}
