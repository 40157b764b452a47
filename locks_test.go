package caliper

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"
)

// The clock's goroutine waits for nobody: below the sockets it takes no lock but those of the
// doors, and calls no congestion controller, which is a user's.
//
// What runs on it is what can be reached from the endpoint's methods for devices, and from
// what is handed to it: commands through the door, and timers. Of a call through an interface
// all methods are followed that could be meant, of one through a variable or a field all
// functions that are ever put there.
func TestLockLaw(t *testing.T) {
	files := token.NewFileSet()
	g := &callGraph{files: files, nodes: make(map[string]*function), put: make(map[string][]string), methods: make(map[string][]string)}
	for _, p := range typeChecked(t, files, func(p *listed) bool {
		return slices.Contains(strings.Fields("pacer link link/endpoint link/hold stack"), strings.TrimPrefix(p.ImportPath, module))
	}) {
		g.add(p)
	}
	for _, name := range strings.Fields("Receive Ready Departed Flush Listen Drain") {
		g.roots = append(g.roots, "(*"+module+"link/endpoint.Endpoint)."+name)
	}
	reached := g.reach(t)
	for _, name := range strings.Fields("Arrived Departed Handshake repaceNow pace") {
		if !reached["(*"+module+"stack.linkSide)."+name] {
			t.Errorf("%s of a loop is not among what runs on the clock's goroutine: the test does not see all", name)
		}
	}
	if reached["(*"+module+"stack.tcpSide).Update"] {
		t.Error("Update runs on the clock's goroutine")
	}
}

// handOver are the functions whose argument runs on the clock's goroutine.
var handOver = []string{
	"(*" + module + "link/endpoint.Endpoint).Before", "(*" + module + "link/endpoint.Endpoint).After",
	"(*" + module + "link/endpoint.Endpoint).Account",
	"(" + module + "pacer/clock.Clock).AfterFunc", "(*" + module + "pacer/clock.Real).Do",
	"(*" + module + "stack.Host).onClock",
}

// doors are what other goroutines hand something to the clock's through. What they do with the
// lock takes no time.
var doors = []string{module + "link/endpoint.door", module + "link.Inbox"}

// ofWorlds are not followed: in a world there is one goroutine, and nobody to wait for.
var ofWorlds = []string{
	"(*" + module + "stack.Host).enter", "(*" + module + "stack.Host).direct", "(*" + module + "stack.Host).touch",
	"(*" + module + "stack.worldClock).AfterFunc", "(*" + module + "stack.softirq).run",
}

// callGraph is who calls whom. Functions go by their full name, those without one by where
// they stand.
type callGraph struct {
	files   *token.FileSet
	nodes   map[string]*function
	put     map[string][]string // the functions that a variable or a field may have
	methods map[string][]string // by type, their names
	roots   []string
}

type function struct {
	calls  []string
	values []string      // variables and fields that are called
	asks   []*types.Func // methods of interfaces that are called
	faults []string
}

func (g *callGraph) add(p checked) {
	for _, f := range p.files {
		for _, d := range f.Decls {
			fd, ok := d.(*ast.FuncDecl)
			if !ok || fd.Body == nil {
				continue
			}
			name := p.info.Defs[fd.Name].(*types.Func).FullName()
			if recv, method, ok := strings.Cut(name, ")."); ok {
				recv = strings.TrimLeft(recv, "(*")
				g.methods[recv] = append(g.methods[recv], method)
			}
			w := &walker{callGraph: g, info: p.info, in: name, world: slices.Contains(ofWorlds, name)}
			w.body(name, fd.Body)
		}
	}
}

// A walker goes through the body of one function.
type walker struct {
	*callGraph
	info  *types.Info
	in    string
	world bool
	f     *function
}

func (w *walker) body(name string, body *ast.BlockStmt) {
	w.f = &function{}
	w.nodes[name] = w.f
	ast.Inspect(body, w.visit)
}

// visit notes what a part of the body does.
func (w *walker) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		return false
	case *ast.AssignStmt:
		if len(n.Lhs) == len(n.Rhs) {
			for i, to := range n.Lhs {
				w.assign(w.variable(to), n.Rhs[i])
			}
		}
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok {
			w.assign(w.variable(key), n.Value)
		}
	case *ast.CallExpr:
		return w.call(n)
	case *ast.FuncLit:
		w.f.calls = append(w.f.calls, w.literal(n))
		return false
	}
	return true
}

// assign notes that a function is put into a variable; what a task runs is the softirq's.
func (w *walker) assign(to string, value ast.Expr) {
	if to == "" || strings.HasSuffix(to, ".run") {
		return
	}
	if name := w.value(value); name != "" {
		w.put[to] = append(w.put[to], name)
	} else if from := w.variable(value); from != "" && w.isFunc(value) {
		w.put[to] = append(w.put[to], from)
	}
}

func (w *walker) isFunc(e ast.Expr) bool {
	t := w.info.Types[e].Type
	if t == nil {
		return false
	}
	_, ok := t.Underlying().(*types.Signature)
	return ok
}

// literal returns the name of a function without one, which is looked at.
func (w *walker) literal(l *ast.FuncLit) string {
	name := fmt.Sprint(w.files.Position(l.Pos()))
	if w.nodes[name] == nil {
		inner := *w
		inner.in = name
		inner.body(name, l.Body)
	}
	return name
}

// value returns the name of the function that an expression is, "" if it is none or not
// known.
func (w *walker) value(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.FuncLit:
		return w.literal(e)
	case *ast.Ident:
		if f, ok := w.info.Uses[e].(*types.Func); ok {
			return f.Origin().FullName()
		}
	case *ast.SelectorExpr:
		if f, ok := w.info.Uses[e.Sel].(*types.Func); ok {
			return f.Origin().FullName()
		}
	}
	return ""
}

// variable returns the name of the variable or field that an expression is.
func (w *walker) variable(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		e = s.Sel
	}
	id, ok := e.(*ast.Ident)
	if !ok {
		return ""
	}
	obj := w.info.Uses[id]
	if obj == nil {
		obj = w.info.Defs[id]
	}
	v, ok := obj.(*types.Var)
	switch {
	case !ok || v.Pkg() == nil:
		return ""
	case v.IsField():
		return v.Pkg().Path() + "." + v.Name()
	}
	return fmt.Sprint(w.files.Position(v.Pos()), ".", v.Name())
}

// call notes a call, and reports whether its parts are to be looked at as others are.
func (w *walker) call(c *ast.CallExpr) bool {
	name := w.value(c.Fun)
	if name == "" {
		if v := w.variable(c.Fun); v != "" {
			w.f.values = append(w.f.values, v)
		}
		return true
	}
	if slices.Contains(handOver, name) {
		arg := c.Args[len(c.Args)-1]
		if w.world {
			return true
		}
		if f := w.value(arg); f != "" {
			w.roots = append(w.roots, f)
		} else if v := w.variable(arg); v != "" {
			w.roots = append(w.roots, v)
		}
		ast.Inspect(c.Fun, w.visit)
		return false
	}
	if s, ok := c.Fun.(*ast.SelectorExpr); ok {
		if f, ok := w.info.Uses[s.Sel].(*types.Func); ok && types.IsInterface(receiver(f)) {
			if f.Pkg() != nil && f.Pkg().Path() == module+"stack/cc" {
				w.f.faults = append(w.f.faults, fmt.Sprintf("%v: a congestion controller", w.files.Position(c.Pos())))
			}
			w.f.asks = append(w.f.asks, f)
			return true
		}
		if w.waits(name, s) {
			w.f.faults = append(w.f.faults, fmt.Sprintf("%v: %s", w.files.Position(c.Pos()), types.ExprString(c.Fun)))
		}
	}
	w.f.calls = append(w.f.calls, name)
	return true
}

func receiver(f *types.Func) types.Type {
	if r := f.Signature().Recv(); r != nil {
		return r.Type()
	}
	return types.Typ[types.Invalid]
}

// waits reports whether a method waits for another goroutine.
func (w *walker) waits(name string, s *ast.SelectorExpr) bool {
	switch name {
	case "(*sync.Mutex).Lock", "(*sync.RWMutex).Lock", "(*sync.RWMutex).RLock", "(*sync.WaitGroup).Wait", "(*sync.Cond).Wait",
		"(*gvisor.dev/gvisor/pkg/tcpip/transport/tcp.Endpoint).LockUser", "(*gvisor.dev/gvisor/pkg/waiter.Queue).Notify":
	default:
		return false
	}
	mu, ok := s.X.(*ast.SelectorExpr)
	return !ok || !slices.Contains(doors, strings.TrimPrefix(w.info.Types[mu.X].Type.String(), "*"))
}

// reach follows all calls from the roots, tells of what is wrong there, and returns what was
// reached.
func (g *callGraph) reach(t *testing.T) map[string]bool {
	seen := make(map[string]bool)
	from := make(map[string]string)
	next := slices.Clone(g.roots)
	for len(next) > 0 {
		name := next[0]
		next = next[1:]
		if seen[name] || slices.Contains(ofWorlds, name) {
			continue
		}
		seen[name] = true
		more := slices.Clone(g.put[name])
		if f := g.nodes[name]; f != nil {
			for _, fault := range f.faults {
				way := ""
				for at := name; at != ""; at = from[at] {
					way += "\n\tin " + strings.ReplaceAll(at, module, "")
				}
				t.Errorf("%s on the clock's goroutine%s", fault, way)
			}
			more = append(append(more, f.calls...), f.values...)
			for _, m := range f.asks {
				more = append(more, g.answers(m)...)
			}
		}
		for _, m := range more {
			if _, ok := from[m]; !ok && !slices.Contains(g.roots, m) {
				from[m] = name
			}
		}
		next = append(next, more...)
	}
	return seen
}

// answers returns the methods that a call of an interface's may mean: those of types that have
// methods of all its names.
func (g *callGraph) answers(m *types.Func) (all []string) {
	i := receiver(m).Underlying().(*types.Interface)
	for typ, methods := range g.methods {
		has := true
		for n := range i.NumMethods() {
			has = has && slices.Contains(methods, i.Method(n).Name())
		}
		if has {
			all = append(all, "(*"+typ+")."+m.Name(), "("+typ+")."+m.Name())
		}
	}
	slices.Sort(all)
	return all
}
