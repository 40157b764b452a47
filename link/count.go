package link

import (
	"fmt"
	"strings"
)

// Count writes how many there are of what, as reports have it: "1 packet", "2 passes".
func Count(n uint64, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "s"):
		what += "e"
	}
	return fmt.Sprintf("%d %ss", n, what)
}
