package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "highwater"

// unit is one package's product code.
type unit struct {
	// imports are the import paths, each with the first file that has it.
	imports map[string]string
}

// tree reads the imports of every package of the module, by path within it.
// Tests are left out, and so are nested modules.
func tree(t *testing.T) map[string]unit {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	units := make(map[string]unit)
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path != root && skipsDir(path, entry.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(name))
		if units[dir].imports == nil {
			units[dir] = unit{imports: make(map[string]string)}
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if units[dir].imports[imported] == "" {
				units[dir].imports[imported] = name
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(units) < 10 {
		t.Fatalf("only %d packages found under %s: this test would prove nothing", len(units), root)
	}
	return units
}

func skipsDir(path, name string) bool {
	if strings.HasPrefix(name, ".") || name == "testdata" || name == "build" {
		return true
	}
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	return err == nil
}

// ours are the imports of this module, by path within it.
func (u unit) ours() map[string]string {
	own := make(map[string]string)
	for path, file := range u.imports {
		if inside, ok := strings.CutPrefix(path, module+"/"); ok {
			own[inside] = file
		}
	}
	return own
}

// libraries are the imports of other modules.
func (u unit) libraries() map[string]string {
	foreign := make(map[string]string)
	for path, file := range u.imports {
		first, _, _ := strings.Cut(path, "/")
		if strings.Contains(first, ".") {
			foreign[path] = file
		}
	}
	return foreign
}

// standard are the imports of the standard library.
func (u unit) standard() map[string]string {
	std := maps.Clone(u.imports)
	for path := range u.libraries() {
		delete(std, path)
	}
	for path := range u.ours() {
		delete(std, module+"/"+path)
	}
	return std
}

// closure are the packages of ours that a package links, itself included,
// each with the way there.
func closure(units map[string]unit, from string) map[string][]string {
	ways := map[string][]string{from: {from}}
	queue := []string{from}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, next := range slices.Sorted(maps.Keys(units[at].ours())) {
			if ways[next] == nil {
				ways[next] = append(slices.Clone(ways[at]), next)
				queue = append(queue, next)
			}
		}
	}
	return ways
}
