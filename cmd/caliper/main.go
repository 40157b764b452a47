// Caliper is a closed-loop packet pacer: real TCP and UDP flows whose packets leave at the
// time that was asked for, in virtual time and on real interfaces.
//
// Results go to standard output; progress, errors and hints to standard error. See console.go
// for the exit codes.
package main

import (
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/urfave/cli/v2"
)

func main() {
	signal.Ignore(syscall.SIGPIPE) // the write tells, see console.watch
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}

// run is the program, but for the process around it.
func run(args []string, stdout, stderr *os.File) int {
	v := newConsole(stdout, stderr)
	hearNetstack(v)
	app := newApp(v)
	given := make(spellings)
	arranged, err := arrange(app, args[1:], given)
	if err == nil {
		err = given.name(app.Run(append(args[:1:1], arranged...)))
	}
	return v.exit(err)
}

// newApp returns the commands.
func newApp(v *console) *cli.App {
	app := &cli.App{
		Name:           "caliper",
		Usage:          "closed-loop packet pacing: real TCP and UDP flows, each packet at its departure time",
		Version:        version(),
		Writer:         v,
		ErrWriter:      v.stderr,
		ExitErrHandler: func(*cli.Context, error) {}, // console tells errors
		Commands:       []*cli.Command{iperf3Command(v), gapsCommand(v), pktgenCommand(v), cardCommand(v), netthreadsCommand(v)},
		Action: func(c *cli.Context) error {
			if name := c.Args().First(); name != "" {
				return badInput(nil, "there is no command %q", name).hint("caliper help lists the commands")
			}
			return cli.ShowAppHelp(c)
		},
		OnUsageError: usageError,
	}
	for _, c := range app.Commands {
		for _, f := range c.Flags {
			if b, ok := f.(*cli.BoolFlag); ok {
				b.DisableDefaultText = true
			}
		}
	}
	app.Setup()
	return app
}

// version is that of the module, or of the tree that it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// usageError is what the flag parser found wrong with the command line.
func usageError(c *cli.Context, err error, _ bool) error {
	help := "caliper help"
	if c.Command != nil && c.Command.Name != "" && c.Command.Name != "caliper" {
		help = "caliper " + c.Command.Name + " --help"
	}
	return badInput(err, "bad command line").hint("%s lists the flags", help)
}
