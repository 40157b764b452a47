package caliper

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"
)

// Two mistakes that compile, and that no run shows until the numbers are the wrong ones:
//
//   - < and the like between TCP sequence numbers, which wrap: pacer.Seq has methods for it,
//     and nobody else subtracts two of them or orders them;
//   - the time 0 taken for "not yet": it is when worlds begin, and clock.Optional says it.
func TestOperatorLaw(t *testing.T) {
	files := token.NewFileSet()
	for _, p := range typeChecked(t, files, func(p *listed) bool {
		uses := func(name string) bool { return slices.Contains(p.Imports, module+name) || p.ImportPath == module+name }
		return uses("pacer") || uses("pacer/clock")
	}) {
		info := p.info
		for _, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				if n != nil {
					if what := breaks(info, n); what != "" && !strings.HasSuffix(files.File(n.Pos()).Name(), "/pacer/seq.go") {
						t.Errorf("%v: %s", files.Position(n.Pos()), what)
					}
				}
				return true
			})
		}
	}
}

// breaks says what is wrong with an operation, if it is one of those.
func breaks(info *types.Info, n ast.Node) string {
	var operands []ast.Expr
	operator := token.ILLEGAL
	switch n := n.(type) {
	case *ast.BinaryExpr:
		operands, operator = []ast.Expr{n.X, n.Y}, n.Op
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && info.Types[f].IsBuiltin() && (f.Name == "min" || f.Name == "max") {
			operands, operator = n.Args, token.SUB // as little meant for them
		}
	}
	if len(operands) < 2 {
		return ""
	}
	all := func(name string) bool {
		return !slices.ContainsFunc(operands, func(x ast.Expr) bool {
			t := info.Types[x].Type
			return t == nil || t.String() != module+name
		})
	}
	zero := func(x ast.Expr) bool {
		v := info.Types[x].Value
		return v != nil && v.Kind() == constant.Int && constant.Sign(v) == 0
	}
	switch operator {
	case token.LSS, token.GTR, token.LEQ, token.GEQ, token.SUB:
		if all("pacer.Seq") {
			return "sequence numbers wrap: use Before, Later and From of pacer.Seq"
		}
	}
	none := operator == token.EQL || operator == token.NEQ ||
		operator == token.GTR && zero(operands[1]) || operator == token.LSS && zero(operands[0])
	if none && all("pacer/clock.Time") && (zero(operands[0]) || zero(operands[1])) {
		return "0 is a time like any other: use clock.Optional"
	}
	return ""
}
