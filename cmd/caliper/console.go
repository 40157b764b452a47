package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1   // the run failed
	exitBadInput    = 2   // flags, files or addresses are wrong: nothing was changed
	exitNoRights    = 3   // a capability is missing: nothing was changed
	exitInterrupted = 130 // by SIGINT, SIGTERM or SIGHUP; what was measured until then is printed
	exitClosed      = 141 // the reader of the results has closed the pipe, as SIGPIPE's end looks to a shell
)

// problem is an error with what to do about it and the code that the program ends with.
type problem struct {
	text string
	err  error // the cause, may be nil
	todo string
	code int

	given spellings // of flags; may be nil
}

func (p *problem) Error() string {
	s := p.text
	if p.err != nil {
		if s != "" {
			s += ": "
		}
		s += p.err.Error()
	}
	return p.given.in(plain(s))
}

// packages are those that errors of the library begin with, and mean nothing to a user.
var packages = regexp.MustCompile(`(^|: )(?:(?:cc|hold|link|netfpga|netthreads|nl|pacer|stack): )+`)

// plain takes the names of packages out of an error's text.
func plain(s string) string { return packages.ReplaceAllString(s, "$1") }

func (p *problem) Unwrap() error { return p.err }

func (p *problem) hint(format string, args ...any) *problem {
	p.todo = fmt.Sprintf(format, args...)
	return p
}

func badInput(err error, format string, args ...any) *problem {
	return &problem{text: fmt.Sprintf(format, args...), err: err, code: exitBadInput}
}

func failed(err error, format string, args ...any) *problem {
	return &problem{text: fmt.Sprintf(format, args...), err: err, code: exitFailed}
}

// orHelp gives bad input that has no hint of its own the one that always helps.
func orHelp(err error, command string) error {
	var p *problem
	if errors.As(err, &p) && p.code == exitBadInput && p.todo == "" {
		p.todo = fmt.Sprintf("caliper %s --help lists the flags and what they take", command)
	}
	return err
}

// console is how the program speaks to people: results on standard output, all else on
// standard error, and progress only where a terminal shows it.
type console struct {
	stdout, stderr *os.File
	terminal       bool

	mu       sync.Mutex
	progress string
	shown    time.Time
	failed   error  // the first one of writing results
	stop     func() // ends the run, nil if there is none
}

func newConsole(stdout, stderr *os.File) *console {
	_, err := unix.IoctlGetTermios(int(stderr.Fd()), unix.TCGETS)
	return &console{stdout: stdout, stderr: stderr, terminal: err == nil}
}

// Write writes a result, above the line of progress if there is one. When it fails, the run
// is over.
func (v *console) Write(b []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.failed != nil {
		return 0, v.failed
	}
	line := v.progress
	v.clear()
	_, v.failed = v.stdout.Write(neutral(b))
	v.draw(line)
	if v.failed == nil {
		return len(b), nil
	}
	if v.stop != nil {
		v.stop()
	}
	return 0, v.failed
}

var _ io.Writer = (*console)(nil)

// show replaces the line of progress, ten times a second at most.
func (v *console) show(format string, args ...any) {
	if !v.terminal {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if time.Since(v.shown) < 100*time.Millisecond {
		return
	}
	v.shown = time.Now()
	v.clear()
	v.draw(fmt.Sprintf(format, args...))
}

// done takes the line of progress away.
func (v *console) done() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.clear()
}

func (v *console) draw(line string) {
	if line != "" {
		fmt.Fprint(v.stderr, line)
		v.progress = line
	}
}

func (v *console) clear() {
	if v.progress != "" {
		fmt.Fprint(v.stderr, "\r\x1b[K")
		v.progress = ""
	}
}

// remark tells of an error that does not end the program. One of writing results does, and is
// told then.
func (v *console) remark(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.failed != nil && errors.Is(err, v.failed) {
		return
	}
	line := v.progress
	v.clear()
	v.say("caliper: %s\n", plain(err.Error()))
	v.draw(line)
}

// warn is remark for what is no error.
func (v *console) warn(what string) { v.remark(errors.New(what)) }

// say writes to standard error.
func (v *console) say(format string, args ...any) {
	v.stderr.Write(neutral(fmt.Appendf(nil, format, args...)))
}

// exit tells of the error, if there is one, and returns the exit code.
func (v *console) exit(err error) int {
	v.done()
	code, err := v.ending(err)
	if err == nil {
		return code
	}
	v.say("caliper: %s\n", plain(err.Error()))
	var p *problem
	if errors.As(err, &p) && p.todo != "" {
		v.say("hint: %s\n", p.given.in(p.todo))
	}
	return code
}

// neutral returns text in which control characters other than the ends of lines and tabs are
// written as in JSON: what others have sent does nothing to a terminal.
func neutral(b []byte) []byte {
	var out []byte // nil while there is nothing to change
	for i := 0; i < len(b); {
		r, width := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && width == 1 {
			r = rune(b[i]) // as a terminal of 8 bits has it
		}
		switch harmless := r == '\n' || r == '\t' || !unicode.IsControl(r); {
		case harmless && out != nil:
			out = append(out, b[i:i+width]...)
		case !harmless && out == nil:
			out = append(make([]byte, 0, 2*len(b)), b[:i]...)
			fallthrough
		case !harmless:
			out = fmt.Appendf(out, "\\u%04x", r)
		}
		i += width
	}
	if out == nil {
		return b
	}
	return out
}
