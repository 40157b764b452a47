package caliper

import (
	"encoding/json"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/link/linktest"
)

// listed is a package as go list has it.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	Imports                 []string
	DepOnly                 bool
}

// checked is a package of the house with its types.
type checked struct {
	path  string
	files []*ast.File
	info  *types.Info
}

// typeChecked returns the packages of the house that are wanted, without their tests.
func typeChecked(t *testing.T, files *token.FileSet, want func(*listed) bool) (all []checked) {
	t.Helper()
	out, err := linktest.Command(t, "go", "list", "-deps", "-export", "-json=ImportPath,Dir,Export,GoFiles,Imports,DepOnly", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var ours []listed
	export := make(map[string]string)
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		export[p.ImportPath] = p.Export
		if !p.DepOnly && want(&p) {
			ours = append(ours, p)
		}
	}
	config := types.Config{Importer: importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(export[path])
	})}
	for _, p := range ours {
		c := checked{path: p.ImportPath, info: &types.Info{
			Types: make(map[ast.Expr]types.TypeAndValue), Defs: make(map[*ast.Ident]types.Object),
			Uses: make(map[*ast.Ident]types.Object), Selections: make(map[*ast.SelectorExpr]*types.Selection),
		}}
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			c.files = append(c.files, f)
		}
		if _, err := config.Check(p.ImportPath, files, c.files, c.info); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}
