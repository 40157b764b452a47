package netthreads

// The control registers, by address.
const (
	ctrlStart    = 0x20000000
	ctrlEnd      = 0x40000000
	ctrlEndW     = 0x60000000
	sendOut      = 0x80000000
	headerFlush  = 0xa0000000
	commonTime   = 0xc0000000
	headerReturn = 0xe0000000
	getLock      = 0x20000004
	unLock       = 0x40000004
	printf       = 0x60000004
	sendTime     = 0x80000004
)

// registers are the names of the control registers.
var registers = map[uint32]string{
	ctrlStart: "CTRL_START", ctrlEnd: "CTRL_END", ctrlEndW: "CTRL_END_W", sendOut: "SEND_OUT_W",
	headerFlush: "HEADER_FLUSH_W", commonTime: "COMMON_TIME", headerReturn: "HEADER_RETURN_W",
	getLock: "GET_LOCK", unLock: "UN_LOCK", printf: "PRINTF", sendTime: "SEND_TIME_TRIG",
}

// noPacket is what the pop returns when no packet waits.
const noPacket = 0xffffffff

// Time returns the time register: the low 32 bits of the cycle, and what it began with.
func (m *Machine) Time() uint32 { return m.config.Clock + uint32(m.cycle) }

// loadRegister reads the control register at a for thread n.
func (m *Machine) loadRegister(n int, i instruction, a uint32, d *uint32) bool {
	if i.op != opLW {
		*d = 0
		return m.badAccess(n, "load from", a)
	}
	switch a {
	case commonTime:
		*d = m.Time()
		return true
	case headerFlush:
		*d = m.pop()
		return true
	case sendOut:
		return m.launch(n, d)
	}
	*d = 0
	return m.badAccess(n, "load from", a)
}

// storeRegister writes v to the control register at a for thread n.
func (m *Machine) storeRegister(n int, i instruction, a, v uint32) bool {
	if i.op != opSW {
		return m.badAccess(n, "store to", a)
	}
	switch a {
	case getLock:
		return m.lock(n, v)
	case unLock:
		return m.unlock(v)
	case ctrlStart:
		m.engine.start = v
	case ctrlEnd:
		m.engine.end = v
	case ctrlEndW:
		m.engine.endWord = v
	case sendTime:
		m.engine.trigger, m.engine.scheduled = v, true
	case headerReturn:
		if err := m.input.give(v); err != "" {
			return m.fail(n, "HEADER_RETURN_W of 0x%08x: %s", v, err)
		}
	case printf:
		if !m.print(n, v) {
			return false
		}
	default:
		return m.badAccess(n, "store to", a)
	}
	m.effects++
	return true
}

// badAccess fails with what is wrong with an access to an address without memory.
func (m *Machine) badAccess(n int, what string, a uint32) bool {
	if name, ok := registers[a&^3]; ok {
		return m.fail(n, "%s 0x%08x: the register %s does not have this access", what, a, name)
	}
	return m.fail(n, "%s 0x%08x, where there is no memory", what, a)
}
