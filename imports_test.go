// Package caliper holds no code: the test of the import law stands at the module's root.
package caliper

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/link/linktest"
)

const module = "github.com/netcaliper/caliper/"

// law says what a package of ours, by the start of its path, may import of ours. Below
// netfpga the parts know each other downwards only.
var law = []struct{ packages, may string }{
	{"pacer/queue", ""},
	{"pacer/clock", "pacer/queue"},
	{"pacer", "pacer/clock pacer/queue"},
	{"link/linktest", "pacer/clock pacer link"},
	{"link/endpoint", "pacer/clock pacer pacer/queue link"},
	{"link/wire", "pacer/clock pacer pacer/queue link"},
	{"link/nic", "pacer/clock link"},
	{"link/nic/tuntap", "pacer/clock link link/nic"},
	{"link/nic/packet", "pacer/clock pacer link link/nic"},
	{"link/hold", "pacer/clock pacer pacer/queue link"},
	{"link/pcap", "pacer/clock pacer link"},
	{"link/pcap/pcaptest", "pacer"},
	{"link/gaps", "pacer/clock pacer link link/pcap"},
	{"link", "pacer/clock pacer"},
	{"pacer/traffic", "pacer/clock pacer link link/pcap"},
	{"netfpga/drivercomm", "pacer/clock"},
	{"netfpga/pci", "pacer/clock netfpga/drivercomm"},
	{"netfpga/mac", "pacer/clock link netfpga/drivercomm"},
	{"netfpga/pktgen", "pacer/clock netfpga/drivercomm pacer/queue netfpga/mac"},
	{"netfpga/driver", "pacer/clock netfpga/drivercomm pacer/queue netfpga/pci"},
	{"netfpga/netthreads", "netfpga/drivercomm"},
	{"netfpga/netthreads/image", "netfpga/netthreads"},
	{"netfpga/netthreads/programs", "netfpga/netthreads netfpga/netthreads/image"},
	{"netfpga/netthreads/simulator", "pacer/clock link link/nic link/nic/tuntap link/pcap netfpga/drivercomm netfpga/netthreads"},
	{"netfpga/firmware", "netfpga/drivercomm pacer/queue netfpga/netthreads netfpga/pktgen netfpga/mac pacer/clock"},
	{"netfpga", "pacer/clock pacer link netfpga/drivercomm pacer/queue netfpga/pci netfpga/mac netfpga/pktgen netfpga/driver " +
		"netfpga/firmware netfpga/netthreads netfpga/netthreads/programs"},
	{"netfpga/nl", "pacer/clock link netfpga"},
	{"stack/cc", "pacer/clock pacer"},
	{"stack", "pacer/clock pacer link link/endpoint stack/cc"},
	{"stack/testbed", "pacer/clock pacer link link/hold link/wire link/nic link/nic/tuntap link/nic/packet link/pcap netfpga netfpga/netthreads/programs stack stack/cc"},
	{"cmd/caliper/internal/iperf3", ""},
	{"cmd/caliper/internal/socket", "pacer/clock pacer link pacer/traffic"},
	{"cmd/caliper", "pacer/clock pacer pacer/traffic link link/pcap link/gaps netfpga netfpga/nl netfpga/netthreads netfpga/netthreads/image " +
		"netfpga/netthreads/programs netfpga/netthreads/simulator stack stack/cc stack/testbed cmd/caliper/internal/iperf3 cmd/caliper/internal/socket"},
}

// gvisor are the only packages of ours that may import gVisor.
var gvisor = []string{"link/endpoint", "stack", "stack/testbed", "cmd/caliper"}

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func TestImportLaw(t *testing.T) {
	out, err := linktest.Command(t, "go", "list", "-deps", "-json=ImportPath,Imports,Deps", "./...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	seen := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name, ours := strings.CutPrefix(p.ImportPath, module)
		if !ours {
			continue
		}
		seen++
		check(t, name, p)
	}
	if seen != len(law) {
		t.Errorf("%d packages, and the law knows %d", seen, len(law))
	}
}

func check(t *testing.T, name string, p goPackage) {
	may, known := "", false
	for _, l := range law {
		if l.packages == name {
			may, known = l.may, true
		}
	}
	if !known {
		t.Errorf("%s is not in the law: say what it may import", name)
		return
	}
	for _, i := range p.Imports {
		if other, ours := strings.CutPrefix(i, module); ours && !slices.Contains(strings.Fields(may), other) {
			t.Errorf("%s may not import %s", name, other)
		}
	}
	for _, d := range p.Deps {
		if strings.HasPrefix(d, "gvisor.dev/") && !slices.Contains(gvisor, name) {
			t.Errorf("%s may not depend on gVisor, and has %s", name, d)
			return
		}
	}
}
