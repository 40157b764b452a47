// Package netthreads is the processor of the card: the NetThreads soft multiprocessor of
// tech doc section 4, cycle for cycle, which runs programs built for it unmodified.
//
// A Machine executes an Image. It has no clock of its own: Run goes on to a given cycle,
// and whoever drives it gives it the packets that arrive, with Offer, and takes those that
// the program launches, with Output.
//
// # Processors
//
// There are two CPUs of four threads. A CPU issues one instruction a cycle, its threads in
// turn: thread number t of a CPU issues in the cycles that are t modulo 4, whether the
// others have something to do or not. In each cycle CPU 0 comes first. Threads 0 to 3 are
// those of CPU 0. A cycle takes 8 ns.
//
// The instructions are those of MIPS-I, big-endian, without multiplication and division,
// without unaligned loads and stores, without those that trap on overflow, and without
// branch delay slots: a branch takes effect at once, and jal links the next instruction.
// Config.DelaySlots gives the processor of the book instead, which executes the
// instruction after a branch in any case. What a load reads is there for the next
// instruction in both.
//
// All threads begin at cycle 0 with all registers 0, thread t at TextBase + 0x30*t. The
// program itself sets its stack and puts the number of the thread into register 26.
//
// # Memory
//
//	0x04000000  main memory, 64 MB, zero but for the image's data
//	0x08000000  output memory, 16 KB
//	0x10000000  input memory, 16 KB, read only
//	0x20000000  instructions, 256 KB, for the fetch alone: 18 bits of an address count
//
// Control registers, for lw and sw only:
//
//	0x20000000 w  CTRL_START       address of the IOQ header of the packet to launch
//	0x40000000 w  CTRL_END         address of its last byte
//	0x60000000 w  CTRL_END_W       which byte of its last 8 that is: 0x80 the first ... 0x01 the last
//	0x80000004 w  SEND_TIME_TRIG   low 32 bits of its departure
//	0x80000000 r  SEND_OUT_W       launches it; the address of the packet launched before
//	0xA0000000 r  HEADER_FLUSH_W   address of the next packet that arrived, 0xffffffff if none
//	0xE0000000 w  HEADER_RETURN_W  gives an input slot to the hardware
//	0xC0000000 r  COMMON_TIME      the cycle, 32 bits
//	0x20000004 w  GET_LOCK         takes a lock; the thread goes on when it owns it
//	0x40000004 w  UN_LOCK          frees a lock
//	0x60000004 w  PRINTF           a character, or the address of a format and its arguments
//
// # Packets in
//
// The hardware owns no input slot until the program gives it some, by their addresses or
// offsets: ten of 1600 bytes fit. Offer puts a packet with its IOQ header into the slot
// that was given first, and from the next cycle on HEADER_FLUSH_W returns it, once, in the
// order of arrival. It belongs to the program until that gives the slot back.
//
// # Packets out
//
// One engine sends. It takes a packet when SEND_OUT_W is read, and latches its three
// registers, its departure and its bytes. It waits until the clock reaches the departure,
// which it does not where that has passed or none was written since the last launch, and
// until the packet's line is free (Config.Line). Then it passes the packet on, 8 bytes a
// cycle. Until that is done it takes no other packet:
// a thread that reads SEND_OUT_W meanwhile waits, and issues nothing. So the packet before
// has left the output memory when the read returns its address, and its slot is free. The
// first read returns slot 0.
//
// The length of a packet is what the registers say. The IOQ header is not checked but for
// the ports it goes to. How the packet fares behind the engine is not the machine's matter.
//
// # Locks
//
// There are 16; the low four bits of what is written count. A free lock is taken at once.
// Threads that wait for a lock issue nothing, and get it in the order in which they asked,
// from the cycle after the one that freed it. Any thread may free any lock: one that was
// given it but has not had its turn since asks again then. A thread that asks for what it
// owns waits for another thread to free it.
//
// # Faults
//
// What the hardware would do silently and wrong ends the simulation with a *Fault: an
// unknown instruction, an access that is unaligned, to no memory, to a part of a register
// or in the wrong direction, a write to the input memory, a fetch outside of the program,
// a stack of more than 32 KB or one that runs into the data, a slot given back twice, a
// packet without an end, and all threads waiting for locks.
//
// With Config.IgnoreFaults the machine goes on, as the hardware does, and Ignored tells what it
// went over. Accesses are made at the aligned address; a load from where nothing is gives 0, a
// store to there or to the input memory does nothing; an unknown instruction does nothing, and
// neither does what is behind the program; a jump goes where the low 18 bits of its
// address are; a slot that cannot be is not taken; of a packet that cannot be sent nothing
// is, and stacks may be anywhere. All threads waiting for locks is still the end.
//
// A thread's stack begins where its stack pointer was put when it last moved by 32 KB or
// more at once, which must not be within the stack of another thread.
//
// # Speed
//
// When nothing happens but that threads spin, whatever they do for it (read the clock, the
// input register or memory, count, pass locks around), Run finds the period after which
// all is as before but for values that grow evenly, proves for how many periods no branch
// can go another way, and skips these. The result is the same to the cycle.
//
// # Limitations
//
// There are no load delay slots, exceptions and interrupts. The bytes of a packet are
// taken when it is launched, and not when it departs. With Config.Memory nothing is
// skipped; nor where the threads' loops have no common period of up to 65,536 cycles. The
// latencies of Config.Memory are assumptions, as its comment says.
//
// A Machine is not safe for concurrent use. Equal calls have equal results.
package netthreads

import (
	"encoding/binary"
	"fmt"
)

// Tick is what a cycle takes, in nanoseconds.
const Tick = 8

// The hardware of the card, which Config does not change.
const (
	MaxThreads = 16 // of all CPUs
	Locks      = 16
	SlotBytes  = 1600 // of the input and the output memory
	StackBytes = 32 << 10
)

// Config says what a Machine is to be like. The zero value is the original's.
type Config struct {
	CPUs    int // 0: 2, but 1 if the image is linked for one: see Image.OneCPU
	Threads int // of each CPU; 0: 4

	// DelaySlots gives branches the delay slot of MIPS-I.
	DelaySlots bool

	// IgnoreFaults has the machine go on at faults where the hardware would.
	IgnoreFaults bool

	// Memory makes main memory and the fetch take time. Nil: all is there at once.
	Memory *Memory

	// Clock is the time register at cycle 0.
	Clock uint32

	// Plain simulates every cycle, also those of threads that only spin.
	Plain bool

	// Profile counts per function. Threads are counted in any case.
	Profile bool

	// Line tells when a packet leaves that could leave at cycle: when the lines that it
	// goes to are free. It is called for every packet that is launched, with its ports as
	// in Packet and its length without IOQ header. Nil: they always are.
	Line func(ports uint16, bytes int, cycle uint64) uint64

	// Log is called with each line that a thread prints, without its newline; one that
	// has none yet is handed on by Flush. Nil: the lines are lost.
	Log func(thread int, cycle uint64, line string)

	// Trace is called after each instruction. With it nothing is skipped.
	Trace func(Step)
}

// Step is an instruction that a thread executed.
type Step struct {
	Thread   int
	Cycle    uint64
	PC, Word uint32
}

// Stop is why Run returned.
type Stop int

const (
	Limit    Stop = iota // the cycle it was to go to is reached
	Launched             // a packet waits for Output
	Failed               // a fault, which is also the error
)

// thread is what a thread of a CPU consists of. Its PCs are numbers of words.
type thread struct {
	r     [64]uint32 // those of the processor, and the sink
	pc    uint32
	next  uint32 // with delay slots: what comes after pc
	until uint64 // it issues nothing before this cycle
	wait  cause  // why
	since uint64 // from when

	fetched bool   // the line of the instruction that waits has been fetched
	filled  bool   // and that of its data
	lost    bool   // another CPU had the data cache when it wanted it
	top     uint32 // where its stack begins
	recent  [16]uint16
	at      uint8 // of the next entry of recent
	counts  counts
	print   printer
	poll    poll
}

// Machine is the NetThreads multiprocessor.
type Machine struct {
	image   *Image
	config  Config
	text    []instruction
	plain   []instruction // text before the writes to the stack pointer were marked
	threads []thread
	perCPU  int
	cycle   uint64
	dataEnd uint32
	fault   *Fault
	ignored map[uint32]*Ignored // by PC

	memory        []byte // the used part of the main memory
	outputs       [outputSize]byte
	inputs        [inputSize]byte
	locks         [Locks]lock
	input         input
	engine        engine
	cache         *cache
	profile       []uint64 // by word and thread
	hooked        bool     // before is to be called for each instruction
	halt          bool     // the loop is to return after this cycle
	waiting       int      // threads that wait
	effects       uint64   // counts what is seen outside of the threads and the memory
	forward       forward
	memoryChanges bool // writes are to be noted by forward
}

// New returns a machine that is about to execute the image from the first cycle on. The
// image must not be changed after that. config may be nil.
func New(image *Image, config *Config) (*Machine, error) {
	m := &Machine{image: image, dataEnd: image.dataEnd()}
	if config != nil {
		m.config = *config
	}
	if m.config.CPUs == 0 {
		m.config.CPUs = 2
		if image.OneCPU() {
			m.config.CPUs = 1
		}
	}
	if m.config.Threads == 0 {
		m.config.Threads = 4
	}
	if c := m.config; c.CPUs < 0 || c.Threads < 0 || c.CPUs > MaxThreads || c.Threads > MaxThreads || c.CPUs*c.Threads > MaxThreads {
		return nil, fmt.Errorf("netthreads: %d CPUs of %d threads: ask for at most %d threads in all", c.CPUs, c.Threads, MaxThreads)
	}
	n := m.config.CPUs * m.config.Threads
	if err := image.check(n); err != nil {
		return nil, fmt.Errorf("netthreads: bad image: %w", err)
	}

	m.text = make([]instruction, len(image.Text)/4)
	m.plain = make([]instruction, len(m.text))
	m.ignored = make(map[uint32]*Ignored)
	for i := range m.text {
		m.plain[i] = decode(binary.BigEndian.Uint32(image.Text[4*i:]), uint32(i))
		m.text[i] = watched(m.plain[i])
	}
	m.grow(max(uint32(DataBase+len(image.Data)), DataBase+1<<20) - 1)
	copy(m.memory[DataBase-memoryBase:], image.Data)

	m.perCPU = m.config.Threads
	m.threads = make([]thread, n)
	for i := range m.threads {
		t := &m.threads[i]
		t.pc = uint32(i * ThreadText / 4)
		t.next = t.pc + 1
	}
	if m.config.Memory != nil {
		c, err := newCache(m.config.Memory, m.config.CPUs)
		if err != nil {
			return nil, fmt.Errorf("netthreads: %w", err)
		}
		m.cache = c
	}
	if m.config.Profile {
		m.profile = make([]uint64, n*len(m.text))
	}
	m.hooked = m.observed()
	m.forward.init(m)
	return m, nil
}

// observed reports whether the hooks of the inner loop are always needed.
func (m *Machine) observed() bool {
	return m.cache != nil || m.profile != nil || m.config.Trace != nil
}

// Cycle returns how many cycles have passed.
func (m *Machine) Cycle() uint64 { return m.cycle }

// Image returns what the machine executes.
func (m *Machine) Image() *Image { return m.image }

// Run executes the cycles before limit, or fewer where a packet is launched or a fault
// ends it all. A launched packet must be taken with Output before Run goes on. The error
// is a *Fault.
func (m *Machine) Run(limit uint64) (Stop, error) {
	for {
		switch {
		case m.fault != nil:
			return Failed, m.fault
		case m.engine.launched:
			return Launched, nil
		case m.cycle >= limit:
			return Limit, nil
		case m.config.Plain || m.cache != nil || m.config.Trace != nil:
			m.run(limit)
		default:
			m.skip(limit)
		}
	}
}
