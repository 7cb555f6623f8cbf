package service

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"
)

// maxSettingsFileBytes bounds the file of settings and the file of policies.
const maxSettingsFileBytes = 1 << 20

// reservedVariables start with HIGHWATER_ but are no settings.
var reservedVariables = map[string]bool{
	"HIGHWATER_REQUIRE_KAFKA": true, // tests: no broker is a failure, not a skip
}

// EnvName is the environment variable of the setting called name, in any of its
// spellings. Kafka's own settings start with KAFKA_, those of the registry with
// SCHEMA_REGISTRY_, all others with HIGHWATER_.
func EnvName(name string) string {
	env := strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(name))
	for _, own := range []string{"BOOTSTRAP_", "SECURITY_", "SASL_", "SSL_"} {
		if strings.HasPrefix(env, own) {
			return "KAFKA_" + env
		}
	}
	if strings.HasPrefix(env, "SCHEMA_REGISTRY_") {
		return env
	}
	return "HIGHWATER_" + env
}

// FileName is the spelling of a flag's name in the file of settings.
func FileName(name string) string { return strings.ReplaceAll(name, "-", ".") }

// layers resolves flags that the command line left open, from the environment
// and the file.
type layers struct {
	environ   []string
	known     map[string]bool // settings of this binary, by flag name
	elsewhere map[string]bool // settings of other binaries
	origin    map[*kong.Value]string
	unused    []string

	variables map[string]string
	lines     map[string]fileLine
}

type fileLine struct {
	value  string
	origin string
}

func (l *layers) parse(parser *kong.Kong, args []string) (*kong.Context, error) {
	if err := kong.Resolvers(l).Apply(parser); err != nil {
		return nil, err
	}
	hook := func(parsed *kong.Context) error { return l.load(parsed) }
	if err := kong.WithBeforeResolve(hook).Apply(parser); err != nil {
		return nil, err
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return nil, err
	}
	for _, path := range parsed.Path {
		if path.Flag != nil && !path.Resolved {
			l.origin[path.Flag.Value] = "flag"
		}
	}
	for _, flag := range parsed.Flags() {
		if err := l.checkBounds(flag); err != nil {
			return nil, err
		}
	}
	return parsed, nil
}

// load reads the environment, then the file, and refuses what nobody knows. It
// runs before anything is resolved; kong calls it once for each part of the
// command line.
func (l *layers) load(parsed *kong.Context) error {
	if l.variables != nil {
		return nil
	}
	if err := l.loadVariables(); err != nil {
		return err
	}
	file := l.variables[EnvName("settings-file")]
	for _, path := range parsed.Path {
		if path.Flag != nil && path.Flag.Name == "settings-file" {
			file = parsed.Value(path).String()
		}
	}
	if file == "" {
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("settings.file: %w", err)
	}
	defer f.Close()
	return l.loadFile(f, file)
}

func (l *layers) loadVariables() error {
	l.variables = map[string]string{}
	given := map[string]string{}
	for _, pair := range l.environ {
		name, value, _ := strings.Cut(pair, "=")
		if value != "" {
			given[name] = value
		}
	}
	for name := range l.known {
		env := EnvName(name)
		if value, ok := given[env]; ok {
			l.variables[env] = value
			delete(given, env)
		}
	}
	for name := range l.elsewhere {
		env := EnvName(name)
		if _, ok := given[env]; ok && strings.HasPrefix(env, "HIGHWATER_") {
			l.unused = append(l.unused, env)
			delete(given, env)
		}
	}
	slices.Sort(l.unused)
	var unknown []string
	for env := range given {
		if strings.HasPrefix(env, "HIGHWATER_") && !reservedVariables[env] {
			unknown = append(unknown, env)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return fmt.Errorf("unknown setting in the environment: %s", strings.Join(unknown, ", "))
	}
	return nil
}

func (l *layers) loadFile(r io.Reader, file string) error {
	content, err := io.ReadAll(io.LimitReader(r, maxSettingsFileBytes+1))
	if err != nil {
		return fmt.Errorf("settings.file: read %s: %w", file, err)
	}
	if len(content) > maxSettingsFileBytes {
		return fmt.Errorf("settings.file: %s is larger than %s", file, Bytes(maxSettingsFileBytes))
	}
	if !utf8.Valid(content) {
		return fmt.Errorf("settings.file: %s is not UTF-8", file)
	}
	l.lines = map[string]fileLine{}
	scanner := bufio.NewScanner(strings.NewReader(string(content)))
	scanner.Buffer(nil, maxSettingsFileBytes+1)
	for number := 1; scanner.Scan(); number++ {
		if err := l.loadLine(scanner.Text(), fmt.Sprintf("%s:%d", file, number)); err != nil {
			return err
		}
	}
	return scanner.Err()
}

func (l *layers) loadLine(line, origin string) error {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' || line[0] == '!' {
		return nil
	}
	key, value, ok := strings.Cut(line, "=")
	if !ok {
		return fmt.Errorf("%s: want setting=value", origin)
	}
	key = strings.TrimSpace(key)
	flag := strings.ReplaceAll(key, ".", "-")
	spelled := FileName(flag) == key
	switch {
	case spelled && flag == "settings-file":
		return fmt.Errorf("%s: settings.file can't stand in the file itself", origin)
	case spelled && !l.known[flag] && l.elsewhere[flag]:
		l.unused = append(l.unused, key)
		return nil
	case !spelled || !l.known[flag]:
		return fmt.Errorf("%s: unknown setting %q", origin, key)
	}
	if before, ok := l.lines[flag]; ok {
		return fmt.Errorf("%s: %s is already set at %s", origin, key, before.origin)
	}
	l.lines[flag] = fileLine{strings.TrimSpace(value), origin}
	return nil
}

// Validate is part of kong.Resolver.
func (l *layers) Validate(*kong.Application) error { return nil }

// Resolve finds the value of a flag the command line doesn't have. It decodes
// the value once itself, so that an error names where it came from.
func (l *layers) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if flag.Name == "help" {
		return nil, nil
	}
	raw, origin := l.variables[EnvName(flag.Name)], EnvName(flag.Name)
	if raw == "" {
		line, ok := l.lines[flag.Name]
		if !ok {
			return nil, nil
		}
		raw, origin = line.value, line.origin
	}
	trial := reflect.New(flag.Target.Type()).Elem()
	scan := kong.Scan().PushTyped(raw, kong.FlagValueToken)
	if err := flag.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: scan}, trial); err != nil {
		return nil, fmt.Errorf("%w (from %s)", err, origin)
	}
	if flag.Enum != "" && !slices.Contains(flag.EnumSlice(), raw) {
		return nil, fmt.Errorf("want one of %s, got %q (from %s)", strings.Join(flag.EnumSlice(), ", "), raw, origin)
	}
	l.origin[flag.Value] = origin
	return raw, nil
}

// checkBounds holds a number, size or duration to its min and max tags.
func (l *layers) checkBounds(flag *kong.Flag) error {
	for _, bound := range []string{"min", "max"} {
		if !flag.Tag.Has(bound) {
			continue
		}
		limit := reflect.New(flag.Target.Type()).Elem()
		scan := kong.Scan().PushTyped(flag.Tag.Get(bound), kong.FlagValueToken)
		if err := flag.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: scan}, limit); err != nil {
			panic(fmt.Sprintf("service: the tag %s of %s is ill-formed: %v", bound, flag.Name, err))
		}
		order := cmp.Compare(flag.Target.Int(), limit.Int())
		if bound == "min" && order < 0 || bound == "max" && order > 0 {
			return errors.New(boundMessage(flag, bound, limit, l.origin[flag.Value]))
		}
	}
	return nil
}

func boundMessage(flag *kong.Flag, bound string, limit reflect.Value, origin string) string {
	what := map[string]string{"min": "at least", "max": "at most"}[bound]
	message := fmt.Sprintf("--%s: want %s %s, got %s", flag.Name, what, text(limit), text(flag.Target))
	if origin != "" && origin != "flag" {
		message += fmt.Sprintf(" (from %s)", origin)
	}
	return message
}
