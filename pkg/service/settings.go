package service

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// frame are the settings that every binary has without asking for them.
type frame struct {
	Help         bool          `name:"help" short:"h" help:"Show this help."`
	SettingsFile string        `name:"settings-file" help:"File with one setting a line, such as allowed.lateness=10s."`
	StopTimeout  time.Duration `name:"stop-timeout" default:"30s" min:"1s" help:"How long a graceful stop may take in all; after it the process ends with status 1."`
	Log
}

// grammar is what kong resolves: the frame's settings and the binary's.
type grammar[S any] struct {
	Frame    frame `embed:""`
	Settings S     `embed:""`
}

// catalogue are all groups that several binaries share. What is in it may stand
// in an environment or a file that services share, also where this binary has
// no use for it (I1).
type catalogue struct {
	Shared
	Kafka
	Topics
	Time
	Output
	Processing
	HTTP
	Policies
}

// errHelp ends a parse that was only asked for help.
var errHelp = errors.New("help was asked for")

// setting is one effective setting, for the log at the start.
type setting struct {
	name, value, source string
}

// resolved is the outcome of reading arguments, environment and file.
type resolved[S any] struct {
	grammar[S]
	parsed   *kong.Context
	settings []setting
	unused   []string // settings of other binaries, found in the environment or the file
}

// Default returns S with every setting at its default and is meant for tests
// and for processes that run several services.
func Default[S any]() S {
	var zero S
	r, err := resolve("default", "", zero, nil, nil, io.Discard)
	if err != nil {
		panic(fmt.Sprintf("service: the defaults of %T break its own rules: %v", zero, err))
	}
	return r.Settings
}

// resolve reads the settings: flag over environment over file over default.
// Every error but errHelp is wrong use.
func resolve[S any](name, about string, defaults S, args, environ []string, out io.Writer) (*resolved[S], error) {
	return resolveGrammar(name, about, grammar[S]{Settings: defaults}, args, environ, out)
}

func resolveGrammar[S any](name, about string, defaults grammar[S], args, environ []string, out io.Writer) (*resolved[S], error) {
	r := &resolved[S]{grammar: defaults}
	parser, err := newParser(&r.grammar, name, about, out)
	if err != nil {
		panic(fmt.Sprintf("service: the settings of %s are ill-formed: %v", name, err))
	}
	known := names(parser.Model.Node)
	layers := &layers{environ: environ, known: known, elsewhere: catalogueNames(), origin: map[*kong.Value]string{}}
	r.parsed, err = layers.parse(parser, args)
	if err != nil {
		if errors.Is(err, errHelp) {
			return nil, errHelp
		}
		return nil, &UsageError{Err: err}
	}
	r.unused = layers.unused
	for _, flag := range r.parsed.Flags() {
		if flag.Name == "help" {
			continue
		}
		source := cmp.Or(layers.origin[flag.Value], "default")
		r.settings = append(r.settings, setting{FileName(flag.Name), shown(flag.Value), source})
	}
	return r, nil
}

// log writes the effective settings, secrets left out (I2).
func (r *resolved[S]) log(logger *slog.Logger) {
	for _, s := range r.settings {
		logger.Info("setting", "name", s.name, "value", s.value, "source", s.source)
	}
	for _, name := range r.unused {
		logger.Info("setting of another service, unused here", "name", name)
	}
}

const spellings = "A setting is a flag, else the environment variable in brackets, else a line of --settings-file " +
	"with dots for hyphens (allowed.lateness=10s for --allowed-lateness), else its default."

func newParser(target any, name, about string, out io.Writer) (*kong.Kong, error) {
	return kong.New(target,
		kong.Name(name),
		kong.Description(about+"\n\n"+spellings),
		kong.NoDefaultHelp(),
		kong.Writers(out, out),
		kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(decodeDuration)),
		kong.ValueFormatter(describe),
		kong.PostBuild(func(k *kong.Kong) error {
			presetDefaults(k.Model.Node)
			groupByStruct(k.Model.Node)
			return nil
		}),
	)
}

// BeforeReset prints the help before anything else can be wrong.
func (f *frame) BeforeReset(parsed *kong.Context) error {
	for _, path := range parsed.Path {
		if path.Flag == nil || path.Flag.Name != "help" {
			continue
		}
		if err := parsed.PrintUsage(false); err != nil {
			return fmt.Errorf("print the help: %w", err)
		}
		return errHelp
	}
	return nil
}

func decodeDuration(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("duration", &text); err != nil {
		return err
	}
	d, err := ParseDuration(text)
	if err != nil {
		return err
	}
	target.SetInt(int64(d))
	return nil
}

// describe is a setting's line in the help: what it is, what it may be, its
// default and its environment variable.
func describe(value *kong.Value) string {
	if value.Flag == nil || value.Name == "help" {
		return value.Help
	}
	text := value.Help
	if value.Enum != "" {
		choices := slices.DeleteFunc(value.EnumSlice(), func(s string) bool { return s == "" })
		text += " One of " + strings.Join(choices, ", ") + "."
	}
	return fmt.Sprintf("%s Default: %s. [%s]", text, cmp.Or(value.Default, zeroText(value)), EnvName(value.Name))
}

func zeroText(value *kong.Value) string {
	if value.IsBool() {
		return "false"
	}
	return "none"
}

// presetDefaults makes values that a binary has already set its defaults.
func presetDefaults(node *kong.Node) {
	for _, flag := range node.Flags {
		if !flag.Target.IsZero() {
			flag.Default, flag.HasDefault = text(flag.Target), true
		}
	}
	for _, child := range node.Children {
		presetDefaults(child)
	}
}

// groupByStruct heads each group in the help with the name of its struct.
func groupByStruct(node *kong.Node) {
	titles := map[uintptr]string{}
	collectTitles(node.Target, "", titles)
	for _, flag := range node.Flags {
		if title := titles[flag.Target.Addr().Pointer()]; title != "" {
			flag.Group = &kong.Group{Key: title, Title: title + ":"}
		}
	}
	for _, child := range node.Children {
		groupByStruct(child)
	}
}

func collectTitles(v reflect.Value, title string, titles map[uintptr]string) {
	for i := range v.NumField() {
		field, sub := v.Type().Field(i), v.Field(i)
		_, embedded := field.Tag.Lookup("embed")
		switch {
		case field.Type.Kind() == reflect.Struct && (embedded || field.Anonymous):
			inner := field.Type.Name()
			switch {
			case inner == "frame" || inner == "Log":
				inner = "Process"
			case field.Name == "Settings" && embedded:
				inner = "" // the binary's own
			case field.Tag.Get("prefix") != "":
				inner += ", " + strings.Trim(field.Tag.Get("prefix"), "-")
			}
			collectTitles(sub, inner, titles)
		case field.IsExported():
			titles[sub.Addr().Pointer()] = title
		}
	}
}

// names lists every setting of a binary and of its commands.
func names(node *kong.Node) map[string]bool {
	all := map[string]bool{}
	for _, flag := range node.Flags {
		if flag.Name != "help" {
			all[flag.Name] = true
		}
	}
	for _, child := range node.Children {
		for name := range names(child) {
			all[name] = true
		}
	}
	return all
}

func catalogueNames() map[string]bool {
	parser, err := newParser(&grammar[catalogue]{}, "catalogue", "", io.Discard)
	if err != nil {
		panic(fmt.Sprintf("service: two groups share a name: %v", err))
	}
	return names(parser.Model.Node)
}

// text writes a value in the notation its setting reads.
func text(v reflect.Value) string {
	if d, ok := v.Interface().(time.Duration); ok {
		return FormatDuration(d)
	}
	if list, ok := v.Interface().([]string); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(v.Interface())
}

// shown is a value as a log may show it (I2).
func shown(value *kong.Value) string {
	if value.Tag.Has("secret") {
		if value.Target.IsZero() {
			return ""
		}
		return "(secret)"
	}
	return redact(text(value.Target))
}

var userInfo = regexp.MustCompile(`://[^/?#\s]*@`)

// redact hides the user and password of addresses (I2).
func redact(s string) string { return userInfo.ReplaceAllString(s, "://(secret)@") }
