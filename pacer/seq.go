package pacer

// A Seq is a sequence number of TCP: that of a byte, modulo 2^32, from a first one that may
// be any (RFC 9293, section 3.4). Two of them are ordered by the shorter way between them
// (RFC 1982), and < says nothing: all that compares or subtracts them does it here. None
// stands for "not yet", as each of them may be somebody's first.
//
// Numbers are added to as they are: s + Seq(n) is n bytes behind s.
type Seq uint32

// Before reports whether s comes before t. Of two that are 2^31 apart neither does.
func (s Seq) Before(t Seq) bool { return int32(t-s) > 0 }

// From returns how many bytes s is behind t; it is negative where s comes before t.
func (s Seq) From(t Seq) int { return int(int32(s - t)) }

// Later returns the later of s and t.
func (s Seq) Later(t Seq) Seq {
	if s.Before(t) {
		return t
	}
	return s
}
