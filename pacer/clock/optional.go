package clock

// Optional is a Time, or says that there is none: its zero value does. Every Time is one
// that something may have happened at, and 0 is when worlds begin, so that no Time can
// stand for "not yet" or "never".
type Optional struct {
	at  Time
	set bool
}

// At returns an Optional that has the time t.
func At(t Time) Optional { return Optional{t, true} }

// IsSet reports whether there is a time.
func (o Optional) IsSet() bool { return o.set }

// Get returns the time, and whether there is one.
func (o Optional) Get() (t Time, ok bool) { return o.at, o.set }

// Or returns the time, or t where there is none.
func (o Optional) Or(t Time) Time {
	if o.set {
		return o.at
	}
	return t
}

// String writes the time as Time does, or "none".
func (o Optional) String() string {
	if !o.set {
		return "none"
	}
	return o.at.String()
}
