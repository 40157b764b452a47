package stack

import (
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// goroutine is what the runtime says of one.
type goroutine struct {
	state   string // "chan receive", "coroutine", ...
	frames  []frame
	creator int64 // the goroutine that started it,
	created frame // and where
}

type frame struct {
	function, file string
	line           int
}

func (f frame) String() string {
	return fmt.Sprintf("%s (%s:%d)", f.function[strings.LastIndexByte(f.function, '/')+1:], filepath.Base(f.file), f.line)
}

// goroutines returns all goroutines by their numbers. It stops the program meanwhile, and is
// for reports.
func goroutines() map[int64]goroutine {
	b := make([]byte, 1<<16)
	for n := runtime.Stack(b, true); ; n = runtime.Stack(b, true) {
		if n < len(b) {
			b = b[:n]
			break
		}
		b = make([]byte, 2*len(b))
	}
	all := make(map[int64]goroutine)
	for text := range strings.SplitSeq(string(b), "\n\n") {
		if id, state := readHeader(text); id != 0 {
			g := goroutine{state: state}
			g.readFrames(text)
			all[id] = g
		}
	}
	return all
}

// readHeader reads the line "goroutine 7 [chan receive, 2 minutes]:".
func readHeader(text string) (id int64, state string) {
	rest, ok := strings.CutPrefix(text, "goroutine ")
	number, rest, found := strings.Cut(rest, " ")
	if !ok || !found {
		return 0, ""
	}
	id, _ = strconv.ParseInt(number, 10, 64)
	if i := strings.IndexByte(rest, '['); i >= 0 {
		rest = rest[i+1:]
	}
	state = rest[:max(0, strings.IndexAny(rest, ",]"))]
	return id, state
}

// readFrames reads pairs of lines, a function with arguments and a place; the last may be
// "created by FUNCTION in goroutine 6".
func (g *goroutine) readFrames(text string) {
	lines := strings.Split(text, "\n")[1:]
	for i := 0; i+1 < len(lines); i += 2 {
		place, _, _ := strings.Cut(strings.TrimSpace(lines[i+1]), " ")
		file, line, _ := cutLast(place, ':')
		n, _ := strconv.Atoi(line)
		if by, ok := strings.CutPrefix(lines[i], "created by "); ok {
			by, id, _ := strings.Cut(by, " in goroutine ")
			g.creator, _ = strconv.ParseInt(id, 10, 64)
			g.created = frame{by, file, n}
			return
		}
		function, _, _ := cutLast(lines[i], '(')
		g.frames = append(g.frames, frame{function, file, n})
	}
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

var here = reflect.TypeFor[World]().PkgPath() + "."

// processStart is what calls the function of a process.
const processStart = "(*World).start.func1"

// site tells which function of this package was called, "" if none, and from where.
func site(frames []frame) (call string, by frame) {
	for _, f := range frames {
		name, ours := strings.CutPrefix(f.function, here)
		switch {
		case name == processStart:
			return call, frame{}
		case ours && !strings.HasSuffix(f.file, "_test.go"):
			call = name
		case ours, call != "", !strings.HasPrefix(f.function, "runtime.") && !strings.HasPrefix(f.function, "iter.") &&
			!strings.HasPrefix(f.function, "sync.") && !strings.HasPrefix(f.function, "time."):
			return call, f
		}
	}
	return call, by
}

// whoWaits says of every process what it waits for, and where.
func (w *World) whoWaits() string {
	all := goroutines()
	var report strings.Builder
	for _, p := range w.order {
		if p.done {
			continue
		}
		fmt.Fprintf(&report, "\n\t%s ", p.name)
		g, known := all[p.id.Load()]
		call, by := site(g.frames)
		switch {
		case !known:
			report.WriteString("has not begun")
		case call == "":
			fmt.Fprintf(&report, "is at %v [%s]", by, g.state)
		case by.function == "":
			fmt.Fprintf(&report, "waits in %s", call)
		default:
			fmt.Fprintf(&report, "waits in %s, called by %v", call, by)
		}
		for _, id := range slices.Sorted(maps.Keys(all)) { // the oldest first
			if g := all[id]; known && g.creator == p.id.Load() && !w.isProcess(g) {
				fmt.Fprintf(&report, "; it started a goroutine in %v, %s", g.created, notAProcess)
				break
			}
		}
	}
	return report.String()
}

// isProcess tells a process that another one started.
func (*World) isProcess(g goroutine) bool { return strings.HasPrefix(g.created.function, "iter.Pull") }

// nameOf returns the name of a function for reports.
func nameOf(f func()) string {
	name := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
	return name[strings.LastIndexByte(name, '/')+1:]
}
