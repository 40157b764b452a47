package cc

import (
	"fmt"
	"strings"
)

// Default is the controller of a connection that does not ask for one.
const Default = "cubic"

// Names returns the names that New knows.
func Names() []string { return []string{"bbr", "cubic", "reno"} }

// New returns the controller of that name for one new connection; "" means Default.
func New(name string) (Controller, error) {
	switch name {
	case "bbr":
		return new(BBR), nil
	case "cubic", "":
		return new(Cubic), nil
	case "reno":
		return new(Reno), nil
	}
	return nil, fmt.Errorf("cc: no congestion controller is called %q: take one of %s", name, strings.Join(Names(), ", "))
}

// Name returns the name that New knows the controller by, or its type if New does not make
// it.
func Name(c Controller) string {
	switch c.(type) {
	case *BBR:
		return "bbr"
	case *Cubic:
		return "cubic"
	case *Reno:
		return "reno"
	}
	return fmt.Sprintf("%T", c)
}
