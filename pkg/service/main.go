package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"
)

// Binary is one program. S is the struct of its settings; with fields that
// kong takes for commands it is a program for people: Parsed then says which
// command was given, and neither settings nor the end are logged.
type Binary[S any] struct {
	Name     string // one word, as the program is called
	About    string // one sentence, for the help
	Defaults S      // values set here replace those of the tags
	LogLevel string // the default of log.level; "" is info
	// Run does the work until ctx is cancelled.
	Run func(ctx context.Context, p *Process, settings *S) error
}

// Invocation is how a program was called.
type Invocation struct {
	Args           []string // without the program's name
	Environ        []string // NAME=value
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// FromOS is how the operating system called this process.
func FromOS() Invocation {
	return Invocation{Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
}

// Process is what the frame gives to a running program.
type Process struct {
	Invocation
	Name    string
	Parsed  *kong.Context // the command line, for programs with commands
	Logger  *slog.Logger
	Metrics *prometheus.Registry
	Health  *Health
	Group   *Group

	logSettings func()
}

// LogSettings logs the effective settings. Services do so by themselves.
func (p *Process) LogSettings() { p.logSettings() }

// Main reads the settings, runs the program, stops it gracefully on SIGTERM,
// SIGINT or the end of ctx, and returns the exit status (I6). A second signal
// ends it at once with status 1.
func (b Binary[S]) Main(ctx context.Context, in Invocation) int {
	defaults := grammar[S]{Frame: frame{Log: Log{Level: b.LogLevel}}, Settings: b.Defaults}
	resolved, err := resolveGrammar(b.Name, b.About, defaults, in.Args, in.Environ, in.Stdout)
	if errors.Is(err, errHelp) {
		return ExitOK
	}
	if err != nil {
		fmt.Fprintf(in.Stderr, "%s: %v\nRun \"%s --help\" for every setting.\n", b.Name, err, b.Name)
		return exitStatus(err, false)
	}
	p := newProcess(b.Name, in, resolved.Frame.Log.Logger(in.Stderr))
	p.Parsed = resolved.parsed
	p.logSettings = func() { resolved.log(p.Logger) }
	isService := len(resolved.parsed.Model.Children) == 0
	if isService {
		p.Logger.Info("starting", "service", b.Name)
		p.LogSettings()
	}

	signals := make(chan os.Signal, 2) // the second one counts too
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	run := func(ctx context.Context) error { return b.Run(ctx, p, &resolved.Settings) }
	logger := p.Logger
	if !isService {
		logger = slog.New(slog.DiscardHandler)
	}
	stopping, err := supervise(ctx, run, signals, resolved.Frame.StopTimeout, logger)
	status := exitStatus(err, stopping)
	p.report(err, status, isService)
	return status
}

func newProcess(name string, in Invocation, logger *slog.Logger) *Process {
	registry := prometheus.NewRegistry()
	metrics := newMetrics(registry, name)
	group := newGroup(logger, metrics)
	health := newHealth(metrics)
	health.Add("components", func(context.Context) error { return group.Ready() })
	return &Process{
		Invocation: in, Name: name, Logger: logger,
		Metrics: registry, Health: health, Group: group,
	}
}

// report tells how the process ended: services in the log, programs for people
// in a line.
func (p *Process) report(err error, status int, isService bool) {
	if !isService {
		if status != ExitOK {
			fmt.Fprintf(p.Stderr, "%s: %v\n", p.Name, err)
			if decide, ok := errors.AsType[PersonMustDecide](err); ok {
				missing, action := decide.PersonMustDecide()
				fmt.Fprintf(p.Stderr, "Missing: %s\nWhat to do: %s\n", missing, action)
			}
			if crash, ok := errors.AsType[*PanicError](err); ok {
				fmt.Fprintf(p.Stderr, "%s\n", crash.Stack)
			}
		}
		return
	}
	if status == ExitOK {
		p.Logger.Info("stopped", "service", p.Name)
		return
	}
	attributes := []any{"service", p.Name, "err", err, "exit_status", status}
	if decide, ok := errors.AsType[PersonMustDecide](err); ok {
		missing, action := decide.PersonMustDecide()
		attributes = append(attributes, "missing", missing, "what_to_do", action)
	}
	if crash, ok := errors.AsType[*PanicError](err); ok {
		attributes = append(attributes, "stack", string(crash.Stack))
	}
	p.Logger.Error("stopped by a failure", attributes...)
}

var (
	errSecondSignal = errors.New("a second signal ended the process before it had stopped")
	errStopTimeout  = errors.New("the process did not stop within stop.timeout")
)

// supervise runs the program in a goroutine of its own, so that a program that
// doesn't stop can be left behind, and says whether it was told to stop.
func supervise(ctx context.Context, run func(context.Context) error, signals <-chan os.Signal, timeout time.Duration, logger *slog.Logger) (stopping bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- guard("main", func() error { return run(ctx) }) }()

	told := ctx.Done()
	var deadline <-chan time.Time
	for {
		select {
		case err := <-done:
			return stopping, err
		case s := <-signals:
			if stopping {
				return true, errSecondSignal
			}
			stopping = true
			logger.Info("stopping", "signal", s.String(), "stop_timeout", FormatDuration(timeout))
			cancel()
		case <-told:
			stopping, told = true, nil
			deadline = time.After(timeout)
		case <-deadline:
			return true, errStopTimeout
		}
	}
}

// PanicError is a panic of a component, or a goroutine that ended itself.
type PanicError struct {
	Where string // the component
	Value any    // what it panicked with
	Stack []byte
}

// Error names the component and the panic's message.
func (e *PanicError) Error() string { return fmt.Sprintf("%s panicked: %v", e.Where, e.Value) }

// guard runs f and makes a panic an error that stops the process in order,
// with status 1: the runtime's own status for it is 2, which means wrong use
// here. Goroutines that a component starts itself are not covered.
func guard(where string, f func() error) (err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		value := recover()
		if value == nil {
			value = "runtime.Goexit"
		}
		err = &PanicError{Where: where, Value: value, Stack: debug.Stack()}
	}()
	err = f()
	returned = true
	return err
}
