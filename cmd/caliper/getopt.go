package main

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// arrange writes a command line the way the library's parser takes it, which knows neither
// a value attached to a flag of one letter (-t1, -ut1) nor flags behind an operand: every
// flag as --name or --name=value, and the operands behind them, as getopt_long has it. given
// notes how flags were written.
func arrange(app *cli.App, args []string, given spellings) (arranged []string, err error) {
	at := level{name: app.Name, flags: app.Flags, commands: app.Commands, given: given}
	var operands []string
	for len(args) > 0 {
		arg, rest := args[0], args[1:]
		var flags []string
		switch {
		case arg == "--":
			operands, rest = append(operands, rest...), nil
		case strings.HasPrefix(arg, "--"):
			flags, rest, err = at.long(arg, rest)
		case len(arg) > 1 && arg[0] == '-':
			flags, rest, err = at.short(arg, rest)
		case at.enter(arg):
			flags = []string{arg}
		case len(at.commands) > 0: // there is none of that name
			return append(arranged, args...), nil
		default:
			operands = append(operands, arg)
		}
		if err != nil {
			return nil, err
		}
		arranged, args = append(arranged, flags...), rest
	}
	if len(operands) == 0 || slices.Contains(arranged, "--help") {
		return arranged, nil
	}
	return append(append(arranged, "--"), operands...), nil
}

// A level is the command that flags belong to.
type level struct {
	name     string // with those above it
	flags    []cli.Flag
	commands []*cli.Command
	given    spellings
}

// spellings is how flags were written on the command line, by each of their names.
type spellings map[string]string

func (s spellings) note(f cli.Flag, given string) {
	for _, n := range f.Names() {
		s[flagText(n)] = given
	}
}

var flagName = regexp.MustCompile(`(^|[ (])--?[0-9A-Za-z][-0-9A-Za-z]*`)

// in writes flags in a text as they were given.
func (s spellings) in(text string) string {
	return flagName.ReplaceAllStringFunc(text, func(found string) string {
		at := strings.IndexByte(found, '-')
		if given, ok := s[found[at:]]; ok {
			return found[:at] + given
		}
		return found
	})
}

// name has an error name flags as they were given.
func (s spellings) name(err error) error {
	var p *problem
	if errors.As(err, &p) {
		p.given = s
	}
	return err
}

// enter goes on to a command of the level, and is false if there is none of that name.
func (l *level) enter(name string) bool {
	i := slices.IndexFunc(l.commands, func(c *cli.Command) bool { return c.HasName(name) })
	if i < 0 {
		return false
	}
	c := l.commands[i]
	*l = level{name: l.name + " " + name, flags: c.Flags, commands: c.Subcommands, given: l.given}
	if c.Name == "help" {
		l.commands = nil // what follows are the names of others
	}
	return true
}

// long reads --name or --name=value.
func (l *level) long(arg string, rest []string) (flags, left []string, err error) {
	name, value, attached := strings.Cut(arg[2:], "=")
	f, err := l.find("--" + name)
	switch {
	case err != nil:
		return nil, nil, err
	case attached:
		return []string{"--" + f.Names()[0] + "=" + value}, rest, nil
	case !takesValue(f):
		return []string{"--" + f.Names()[0]}, rest, nil
	}
	return l.valued(f, arg, rest)
}

// short reads flags of one letter, of which the last may have a value.
func (l *level) short(arg string, rest []string) (flags, left []string, err error) {
	for letters := arg[1:]; letters != ""; {
		name := "-" + letters[:1]
		letters = letters[1:]
		f, err := l.find(name)
		switch {
		case err != nil:
			return nil, nil, err
		case !takesValue(f):
			flags = append(flags, "--"+f.Names()[0])
		case letters != "":
			return append(flags, "--"+f.Names()[0]+"="+strings.TrimPrefix(letters, "=")), rest, nil
		default:
			last, left, err := l.valued(f, name, rest)
			return append(flags, last...), left, err
		}
	}
	return flags, rest, nil
}

// valued takes a flag's value from the arguments behind it.
func (l *level) valued(f cli.Flag, given string, rest []string) (flags, left []string, err error) {
	if len(rest) == 0 {
		return nil, nil, l.wrong("%s needs a value", given)
	}
	return []string{"--" + f.Names()[0] + "=" + rest[0]}, rest[1:], nil
}

// find returns the flag that is given as -f or --flag, or by the beginning of its name, and
// notes how.
func (l *level) find(given string) (f cli.Flag, err error) {
	defer func() {
		if err == nil {
			l.given.note(f, given)
		}
	}()
	name, long := strings.CutPrefix(given, "--")
	name = strings.TrimPrefix(name, "-")
	var begins []cli.Flag
	for _, f := range append([]cli.Flag{cli.HelpFlag}, l.flags...) {
		if slices.Contains(f.Names(), name) {
			return f, nil
		}
		if long && name != "" && slices.ContainsFunc(f.Names(), func(n string) bool { return strings.HasPrefix(n, name) }) {
			begins = append(begins, f)
		}
	}
	switch {
	case l.name == "caliper iperf3" && slices.Contains(notOurs, name):
		return nil, l.wrong("%s is iperf3's, and is not supported here", given)
	case len(begins) == 1:
		return begins[0], nil
	case len(begins) > 1:
		return nil, l.wrong("%s may be --%s or --%s", given, begins[0].Names()[0], begins[1].Names()[0])
	}
	return nil, l.wrong("there is no flag %s", given)
}

func (l *level) wrong(format string, args ...any) error {
	help := l.name + " --help"
	if !strings.Contains(l.name, " ") {
		help = l.name + " help"
	}
	return badInput(nil, format, args...).hint("%s lists the flags", help)
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

// notOurs are the flags of iperf3 3.9 to 3.21 that caliper iperf3 has not.
var notOurs = strings.Fields(`linux-congestion w window M set-mss S tos dscp L flowlabel X xbind nstreams sctp Z zerocopy
	F file A affinity B bind bind-dev cport V verbose d debug D daemon I pidfile logfile forceflush timestamps
	json-stream-full-output rcv-timeout snd-timeout idle-timeout server-bitrate-limit server-max-duration
	dont-fragment pacing-timer fq-rate no-fq-socket-pacing m mptcp cntl-ka gsro skip-rx-copy multithread thread-affinity
	username rsa-public-key-path rsa-private-key-path authorized-users-path time-skew-threshold use-pkcs1-padding`)
