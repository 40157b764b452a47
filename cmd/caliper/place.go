package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// place puts results where names say, all of the same folder, when they are whole: write makes
// them beside their places, at paths, and nothing of them is left if it fails. Captures and
// traces do not come this way: they grow as the run goes on, and are good up to where they
// end. Nor does what is written to a pipe or a device.
func place(write func(paths []string) error, names ...string) error {
	dir, err := os.MkdirTemp(filepath.Dir(names[0]), ".caliper-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var paths, real []string
	for _, name := range names {
		to := filepath.Join(dir, filepath.Base(name))
		if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
			to = name
		} else if linked, err := filepath.EvalSymlinks(name); err == nil {
			name = linked
		}
		paths, real = append(paths, to), append(real, name)
	}
	err = write(paths)
	for i := range paths {
		if err == nil && paths[i] != real[i] {
			err = os.Rename(paths[i], real[i])
		}
	}
	if err == nil {
		return nil
	}
	// The user has given names, and does not know the temporary files.
	text := err.Error()
	if link := new(os.LinkError); errors.As(err, &link) {
		text = "write " + link.New + ": " + link.Err.Error()
	}
	for i := range paths {
		text = strings.ReplaceAll(text, paths[i], names[i])
	}
	return &placeError{text, err}
}

// A placeError is an error of place in the words of the user, who gave the names.
type placeError struct {
	text string
	err  error
}

func (e *placeError) Error() string { return e.text }
func (e *placeError) Unwrap() error { return e.err }
