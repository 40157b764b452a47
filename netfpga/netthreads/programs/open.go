package programs

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/netcaliper/caliper/netfpga/netthreads"
	"github.com/netcaliper/caliper/netfpga/netthreads/image"
)

// Open reads a program from the file or the files of a name, or where there are none, the
// built-in one of that name. warn, which may be nil, is told of lines that are passed over.
func Open(name string, warn func(string)) (*netthreads.Image, error) {
	img, err := image.Open(name, warn)
	if !errors.Is(err, fs.ErrNotExist) {
		return img, err
	}
	if slices.Contains(Names(), name) {
		return Image(name)
	}
	return nil, fmt.Errorf("%w, and no built-in program: these are %s", err, strings.Join(Names(), ", "))
}
