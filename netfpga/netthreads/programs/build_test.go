package programs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/netfpga/netthreads"
	"github.com/netcaliper/caliper/netfpga/netthreads/image"
)

// compiler is the cross compiler that the checked-in images are from.
const compiler = "mips-linux-gnu-gcc (Debian 12.2.0-14) 12.2.0"

// need skips a test where a program is missing.
func need(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			linktest.Skip(t, err.Error())
		}
	}
}

// command runs a command and returns what it wrote.
func command(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd := linktest.Command(t, name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr.Bytes())
	}
	if stderr.Len() > 0 {
		t.Errorf("%s %s says\n%s", name, strings.Join(args, " "), stderr.Bytes())
	}
	return out
}

// makeIn builds a folder for a context, and returns where the program is.
func makeIn(t testing.TB, dir, context, name string, args ...string) string {
	t.Helper()
	return makeInto(t, t.TempDir(), dir, context, name, args...)
}

// makeInto does it in a folder in which the library may have been built before.
func makeInto(t testing.TB, out, dir, context, name string, args ...string) string {
	t.Helper()
	need(t, "make", "mips-linux-gnu-gcc", "gcc")
	command(t, "make", append([]string{"-s", "-C", dir, "CONTEXT=" + context, "OUT=" + out, name}, args...)...)
	if context != "sw" {
		name += ".elf"
	}
	return filepath.Join(out, context, name)
}

func readImage(t testing.TB, file string) *netthreads.Image {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := image.ReadELF(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// The images are what the sources make.
func TestImages(t *testing.T) {
	need(t, "make", "mips-linux-gnu-gcc")
	out := t.TempDir()
	command(t, "make", "-s", "OUT="+filepath.Join(out, "build"), "IMAGES="+out)
	version, _, _ := strings.Cut(string(command(t, "mips-linux-gnu-gcc", "--version")), "\n")
	if version != compiler {
		linktest.Skip(t, "the images are from "+compiler+", and this is "+version)
	}
	for _, name := range Names() {
		built, err := os.ReadFile(filepath.Join(out, name+".elf"))
		if err != nil {
			t.Fatal(err)
		}
		have, err := ELF(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(built, have) {
			t.Errorf("images/%s.elf is not what the sources make: run make in programs", name)
		}
	}
}

// The program that stands for one of another's make is what its source makes, too.
func TestForeignImage(t *testing.T) {
	const dir = "../../testdata/foreign"
	built := makeIn(t, dir, "nf", "foreign")
	version, _, _ := strings.Cut(string(command(t, "mips-linux-gnu-gcc", "--version")), "\n")
	if version != compiler {
		linktest.Skip(t, "the image is from "+compiler+", and this is "+version)
	}
	have, err := os.ReadFile(filepath.Join(dir, "foreign.elf"))
	if err != nil {
		t.Fatal(err)
	}
	if now, err := os.ReadFile(built); err != nil || !bytes.Equal(now, have) {
		t.Errorf("%s/foreign.elf is not what the source makes: %v", dir, err)
	}
}

// Every program builds for every context; the build itself refuses instructions that the
// machine does not have, and branches without a nop behind.
func TestContexts(t *testing.T) {
	out := t.TempDir()
	for _, name := range Names() {
		for _, context := range []string{"nf", "sim", "sw"} {
			makeInto(t, out, name, context, name)
		}
	}
}

// What the machine lacks is refused, and so is a branch without a nop.
func TestCheckRefuses(t *testing.T) {
	need(t, "make", "mips-linux-gnu-gcc")
	for code, want := range map[string]string{
		`asm("syscall");`:                                     "no such instruction",
		`asm("bltzal $0, main; nop");`:                        "no such instruction",
		`asm(".set noreorder; b 1f; addiu $2,$2,1; 1: nop");`: "no nop behind a branch",
	} {
		dir := filepath.Join(t.TempDir(), "bad")
		if _, err := New(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "bad.c"), []byte("int main(void) { "+code+" return 0; }\n"), 0o666); err != nil {
			t.Fatal(err)
		}
		out, err := linktest.Command(t, "make", "-s", "-C", dir).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v\n%s\nwant %s", code, err, out, want)
		}
		if _, err := os.Stat(filepath.Join(dir, "build/nf/bad.elf")); err == nil {
			t.Errorf("%s: an image is there", code)
		}
	}
}

// A program of one's own builds where it is, in all contexts, without a warning, and runs.
func TestNew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mine")
	wrote, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	if wrote[len(wrote)-1] != "mine.c" || len(wrote) < 10 {
		t.Errorf("wrote %v", wrote)
	}
	if _, err := New(dir); err == nil {
		t.Error("a folder that is there was written to")
	}
	for _, bad := range []string{"/", "..", "a b", "-x", "x$y", "x.y"} {
		if _, err := New(filepath.Join(t.TempDir(), bad)); err == nil {
			t.Errorf("a program %q was made", bad)
		}
	}
	makeIn(t, dir, "nf", "mine")
	makeIn(t, dir, "sw", "mine")
	if err := os.CopyFS(filepath.Join(dir, "locks"), os.DirFS("samples/locks")); err != nil {
		t.Fatal(err)
	}
	makeIn(t, filepath.Join(dir, "locks"), "sim", "locks") // a program of the original's manner
	r := newGeneratorOf(t, readImage(t, makeIn(t, dir, "sim", "mine")), netthreads.Config{})
	for i := range 20 {
		r.m.Offer(2*(i%2), payload(i, 60+i))
		r.idle()
	}
	if len(r.packets) != 20 || len(r.lines) != 20 || !strings.HasPrefix(r.lines[19], "packet 20, by thread ") {
		t.Fatalf("%d packets, and it says %q", len(r.packets), r.lines)
	}
	for i, p := range r.packets {
		if want := uint16(4 >> (2 * (i % 2))); p.ports != want || !bytes.Equal(p.bytes, payload(i, 60+i)) {
			t.Errorf("packet %d left by ports %x as %x", i, p.ports, p.bytes)
		}
	}
}
