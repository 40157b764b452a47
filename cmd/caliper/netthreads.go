package main

import (
	"errors"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/netcaliper/caliper/netfpga/netthreads"
	"github.com/netcaliper/caliper/netfpga/netthreads/programs"
	"github.com/netcaliper/caliper/netfpga/netthreads/simulator"
)

const netthreadsHelp = `Programs for the card's processors, in C, run here without a card:

   caliper netthreads run hello
   caliper netthreads new myprogram

An IMAGE is an ELF file for 32-bit big-endian MIPS, or two files NAME.instr.mif and
NAME.data.mif, given as NAME or as one of them. Where there is no such file it is one of
the built-in programs: bounce, hello, pktgen.`

const netthreadsRunHelp = `The machine runs as fast as it can: for --cycles of 8 ns, or else until no packets are
left to arrive and nothing can happen any more, or nothing has happened in 2^32 cycles.
What the program prints with log() is printed as it comes, with --json to standard error,
and in the end what became of the packets. To give it some, for instance:

   caliper netthreads run bounce --mac 0=pcap:in.pcap,out.pcapng

N=SPEC connects port N, 0 to 3. SPEC is

   pcap:IN[,OUT]  packets arrive from the capture IN, as far apart as they are there, and
                  those that the program sends are written to OUT in pcapng, with the
                  nanosecond in which they leave the output memory, from 1970 on
   tap:NAME       a tap interface, made if there is none of that name, which needs
                  CAP_NET_ADMIN; frames arrive when they come, and with one the run
                  goes on until it is interrupted
   none           nothing

The original simulator's -macN NAME and -hostN NAME are --mac N=tap:NAME and --host
N=tap:NAME, its -pcapmacN FILE and -pcaphostN FILE are --mac N=pcap:FILE and --host
N=pcap:FILE.

Packets wait in a queue of 8 KiB a port for the input slots of the program, and those that
find it full are dropped. "left" are those still in it at the end.

With --ignore-faults a write to input memory, for instance, does nothing and is counted. A
program that does such things for ever has no end without --cycles.

--trace, --memory cached and --no-skip need --cycles: with them it is not found out that
nothing can happen any more.`

func netthreadsCommand(v *console) *cli.Command {
	c := &cli.Command{
		Name:            "netthreads",
		Usage:           "run and make programs for the card's processors",
		Description:     netthreadsHelp,
		HideHelpCommand: true,
		OnUsageError:    usageError,
		Action: func(c *cli.Context) error {
			if name := c.Args().First(); name != "" {
				return badInput(nil, "there is no command %q", name).hint("caliper netthreads --help lists the commands")
			}
			return cli.ShowSubcommandHelp(c)
		},
		Subcommands: []*cli.Command{
			netthreadsRunCommand(v),
			{
				Name: "dis", Usage: "disassemble a program", ArgsUsage: "IMAGE",
				Action: withImage(v, disassemble),
			},
			{
				Name: "load", Usage: "show what the loader of the original card writes", ArgsUsage: "IMAGE",
				Description: "Each word is an address and a value. The loader writes all to one register, for each\n" +
					"word: reset (6), the address, the value, and 0; in the end 0, which starts the processors.",
				Flags:  []cli.Flag{jsonFlag()},
				Action: withImage(v, showLoading),
			},
			{
				Name: "mif", Usage: "write the files that the loader of the original card reads", ArgsUsage: "IMAGE",
				Description: "NAME.elf becomes NAME" + mifFiles + " beside it. Symbols are lost.",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "out", Usage: "write `NAME`" + mifFiles},
					&cli.BoolFlag{Name: "force", Usage: "replace files that there are"},
				},
				Action: withImage(v, writeMIF),
			},
			{
				Name: "new", Usage: "begin a program: make the folder NAME with all that it is built with", ArgsUsage: "NAME",
				Action: withName(v, "name", newProgram),
			},
		},
	}
	// The library's own template knows no commands in "caliper help netthreads".
	c.CustomHelpTemplate = strings.Replace(cli.SubcommandHelpTemplate, "visibleCommandCategoryTemplate", "visibleCommandTemplate", 1)
	for _, sub := range c.Subcommands {
		sub.HideHelpCommand = true
		sub.OnUsageError = netthreadsUsageError
		for _, f := range sub.Flags {
			if b, ok := f.(*cli.BoolFlag); ok {
				b.DisableDefaultText = true
			}
		}
	}
	return c
}

const mifFiles = ".instr.mif and .data.mif"

func netthreadsRunCommand(v *console) *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "run a program", ArgsUsage: "IMAGE", Description: netthreadsRunHelp,
		Flags: []cli.Flag{
			&cli.GenericFlag{Name: "mac", Value: &portFlag{}, Usage: "connect a MAC: `N=SPEC`, once for each"},
			&cli.GenericFlag{Name: "host", Value: &portFlag{host: true}, Usage: "connect a DMA port of the host: `N=SPEC`, once for each"},
			&cli.BoolFlag{Name: "lossless", Usage: "packets in wait for room instead of being dropped"},
			&cli.Uint64Flag{Name: "cycles", Usage: "stop after `N` cycles of 8 ns", DefaultText: "when nothing can happen any more"},
			&cli.BoolFlag{Name: "stamp", Usage: "put the cycle and the thread before each line of log()"},
			&cli.StringFlag{Name: "trace", Usage: "write each instruction to `FILE`: cycle, thread, place; - is standard output"},
			&cli.BoolFlag{Name: "profile", Usage: "show where the cycles of each thread went, and the functions"},
			&cli.BoolFlag{Name: "all-hosts", Usage: "packets come in by host ports 1 to 3, too, which on the card nothing is connected to"},
			&cli.BoolFlag{Name: "ignore-faults", Usage: "go on where the program does what it must not, as the hardware does, and count it"},
			&cli.IntFlag{Name: "cpus", Usage: "`N` CPUs", DefaultText: "2, or 1 for an image that is linked for one"},
			&cli.IntFlag{Name: "threads", Value: 4, Usage: "`N` threads of each CPU; at most 16 in all"},
			&cli.BoolFlag{Name: "delay-slots", Aliases: []string{"classic"}, Usage: "branches have the delay slot of MIPS-I, which NetThreads has not"},
			&cli.StringFlag{Name: "memory", Value: "ideal", Usage: "`KIND` is ideal, or cached: memory takes time"},
			&cli.BoolFlag{Name: "no-skip", Usage: "simulate each cycle, also while all threads only spin"},
			jsonFlag(),
		},
		Action: withImage(v, runProgram),
	}
}

// netthreadsUsageError is usageError for a command of a command.
func netthreadsUsageError(c *cli.Context, err error, _ bool) error {
	return badInput(err, "bad command line").hint("%s --help lists the flags", c.Command.HelpName)
}

// portFlag gathers what --mac or --host are given.
type portFlag struct {
	host  bool
	specs []simulator.Spec
}

// Set implements cli.Generic.
func (f *portFlag) Set(s string) error {
	spec, err := simulator.ParseSpec(f.host, s)
	if err != nil {
		return err
	}
	for _, other := range f.specs {
		if other.Number == spec.Number {
			return errors.New("the port is connected already")
		}
	}
	f.specs = append(f.specs, spec)
	return nil
}

// String implements cli.Generic.
func (f *portFlag) String() string { return "" }

// withName calls do with the one argument, before or behind the flags.
func withName(v *console, what string, do func(c *cli.Context, v *console, name string) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		if !c.Args().Present() {
			return badInput(nil, "the %s is missing", what).hint("%s --help shows where it stands", c.Command.HelpName)
		}
		if c.NArg() > 1 {
			return badInput(nil, "%q is one argument too many", c.Args().Get(1)).hint("%s --help lists the flags", c.Command.HelpName)
		}
		err := do(c, v, c.Args().First())
		return orHelp(err, strings.TrimPrefix(c.Command.HelpName, "caliper "))
	}
}

// withImage is withName for a command that reads a program.
func withImage(v *console, do func(c *cli.Context, v *console, name string, img *netthreads.Image) error) cli.ActionFunc {
	return withName(v, "image", func(c *cli.Context, v *console, name string) error {
		img, err := programs.Open(name, v.warn)
		if err != nil {
			return badInput(err, "").hint("give an ELF file, NAME%s, or one of %s", mifFiles, strings.Join(programs.Names(), ", "))
		}
		return do(c, v, name, img)
	})
}
