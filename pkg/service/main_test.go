package service

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// leakChecked fails a green run that leaves goroutines behind.
type leakChecked struct{ *testing.M }

func (m leakChecked) Run() int {
	status := m.M.Run()
	if err := goleak.Find(); status == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}

// asProgram names the variable that makes this test binary one of the programs
// below, for tests that need a process of their own.
const asProgram = "SERVICE_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "frame" {
		os.Exit(frameBinary.Main(context.Background(), FromOS()))
	}
	os.Exit(leakChecked{m}.Run())
}

// TestSignals sends real signals to a real process.
func TestSignals(t *testing.T) {
	for _, c := range []struct {
		name    string
		args    []string
		signals []os.Signal
		want    int
		log     []string
	}{
		{"a graceful stop", nil, []os.Signal{syscall.SIGTERM}, 0, []string{
			"msg=stopping signal=terminated", `msg="component stopped" component=admin`, "msg=stopped service=frame",
		}},
		{"interrupted", nil, []os.Signal{syscall.SIGINT}, 0, []string{"msg=stopping signal=interrupt"}},
		{"a second signal", []string{"--end=hang"}, []os.Signal{syscall.SIGTERM, syscall.SIGINT}, 1, []string{
			"a second signal ended the process", "exit_status=1",
		}},
		{"no stop in time", []string{"--end=hang", "--stop-timeout=1s"}, []os.Signal{syscall.SIGTERM}, 1, []string{
			"did not stop within stop.timeout",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			command := exec.CommandContext(ctx, os.Args[0], c.args...)
			command.Env = append(os.Environ(), asProgram+"=frame")
			var log bytes.Buffer
			command.Stderr = &log
			stdout, err := command.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
				t.Fatalf("got %q, %v, want ready", line, err)
			}
			for _, s := range c.signals {
				if err := command.Process.Signal(s); err != nil {
					t.Fatal(err)
				}
			}
			_ = command.Wait() // the status tells
			if got := command.ProcessState.ExitCode(); got != c.want {
				t.Errorf("exit status %d, want %d", got, c.want)
			}
			wantLines(t, log.String(), c.log)
		})
	}
}

// TestMainStatus runs whole programs: I6, and what people are told.
func TestMainStatus(t *testing.T) {
	policies := writeFile(t, "policies.yaml", "assets:\n  credits:\n    shortfal: debt\n")
	shared := writeFile(t, "shared", "! for all services\nallowed.lateness = 30s\ncache.bytes=1GiB\n")
	for _, c := range []struct {
		name    string
		args    []string
		environ []string
		want    int
		log     []string
	}{
		{"done", []string{"--end=nil"}, nil, 0, []string{"msg=stopped service=frame"}},
		{"failed", []string{"--end=fail"}, nil, 1, []string{`err="the disk is full" exit_status=1`}},
		{"wrong use, found late", []string{"--end=usage"}, nil, 2, []string{"data.dir: it belongs to somebody else"}},
		{"a person must decide", []string{"--end=decide"}, nil, 3, []string{
			`missing="grants/3/17 to grants/3/20" what_to_do="restore the topic"`,
		}},
		{"a bug", []string{"--end=panic"}, nil, 1, []string{"main panicked: I2: entries don't sum to zero", "runFrame"}},
		{"an unknown flag", []string{"--alowed-lateness=1s"}, nil, 2, []string{
			`frame: unknown flag --alowed-lateness, did you mean "--allowed-lateness"`, `Run "frame --help" for every setting.`,
		}},
		{"an argument too many", []string{"extra"}, nil, 2, []string{"unexpected argument extra"}},
		{"strangers could reach it", []string{"--listen=0.0.0.0:0"}, nil, 2, []string{"listen: 0.0.0.0:0 is not a loopback address"}},
		{"no settings file", []string{"--settings-file=missing"}, nil, 2, []string{"settings.file: open missing: no such file"}},
		{"wrong policies", []string{"--policies-file=" + policies}, nil, 2, []string{"policies.yaml:3: assets.credits.shortfal: unknown key"}},
		// I1: what other services know may stand in what services share.
		{"a shared file", []string{"--end=nil", "--settings-file=" + shared}, []string{"HIGHWATER_SETTLED=false"}, 0, []string{
			`unused here" name=cache.bytes`, `unused here" name=HIGHWATER_SETTLED`,
			"name=allowed.lateness value=30s source=" + shared + ":2",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, _, log := invoke(frameBinary, c.args, c.environ)
			if status != c.want {
				t.Errorf("exit status %d, want %d", status, c.want)
			}
			wantLines(t, log, c.log)
		})
	}
}

// TestCommands is a program for people: plain lines, no log.
func TestCommands(t *testing.T) {
	status, stdout, stderr := invoke(toolBinary, []string{"topics", "apply", "--application-id=mine"}, nil)
	if status != 0 || stdout != "topics apply: mine x4\n" || stderr != "" {
		t.Errorf("apply: status %d, %q, %q", status, stdout, stderr)
	}
	status, _, stderr = invoke(toolBinary, []string{"show"}, nil)
	want := "tool: ask: records are gone\nMissing: grants/3/17 to grants/3/20\nWhat to do: restore the topic\n"
	if status != 3 || stderr != want {
		t.Errorf("show: status %d, %q", status, stderr)
	}
	status, _, stderr = invoke(toolBinary, []string{"crash"}, nil)
	if status != 1 || !strings.HasPrefix(stderr, "tool: main panicked: I9\n") || !strings.Contains(stderr, "main_test.go") {
		t.Errorf("crash: status %d, %q", status, stderr)
	}
	status, help, _ := invoke(toolBinary, []string{"topics", "apply", "--help"}, nil)
	if status != 0 || !strings.Contains(help, "--partitions=4") || strings.Contains(help, "allowed-lateness") {
		t.Errorf("help: status %d\n%s", status, help)
	}
}

func wantLines(t *testing.T, log string, lines []string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(log, line) {
			t.Errorf("the log lacks %s:\n%s", line, log)
		}
	}
}

type frameSettings struct {
	Shared
	Kafka
	Time
	HTTP
	Policies

	End string `name:"end" default:"wait" enum:"wait,nil,fail,usage,decide,panic,hang" help:"How the run ends."`
}

var frameBinary = Binary[frameSettings]{
	Name: "frame", About: "A service for tests.",
	Defaults: frameSettings{HTTP: HTTP{Listen: "127.0.0.1:0"}},
	Run:      runFrame,
}

func runFrame(ctx context.Context, p *Process, s *frameSettings) error {
	if _, err := s.Policies.Load(); err != nil {
		return err
	}
	ready := func() error { _, err := fmt.Fprintln(p.Stdout, "ready"); return err }
	switch s.End {
	case "nil":
		return nil
	case "fail":
		return errors.New("the disk is full")
	case "usage":
		return Usagef("data.dir: it belongs to somebody else")
	case "decide":
		return fmt.Errorf("read partition 3: %w", lostRecords{})
	case "panic":
		panic("I2: entries don't sum to zero")
	case "hang":
		if err := ready(); err != nil {
			return err
		}
		select {}
	}
	server := NewServer("admin", s.HTTP, p.Logger)
	p.Group.Add(server.Component(p.Mount(http.NewServeMux()))) // first: health answers while the rest starts
	p.Group.Add(Component{Name: "ready", Start: func(context.Context) error { return ready() }})
	return p.Group.Run(ctx)
}

type lostRecords struct{}

func (lostRecords) Error() string { return "records are gone" }

func (lostRecords) PersonMustDecide() (missing, action string) {
	return "grants/3/17 to grants/3/20", "restore the topic"
}

type toolSettings struct {
	Topics struct {
		Apply struct {
			Shared
			Topics
		} `cmd:"" help:"Create what is missing."`
	} `cmd:"" help:"Topics."`
	Show struct {
		Time
	} `cmd:"" help:"Show things."`
	Crash struct{} `cmd:"" help:"Has a bug."`
}

var toolBinary = Binary[toolSettings]{
	Name: "tool", About: "For people.",
	Run: func(_ context.Context, p *Process, s *toolSettings) error {
		switch p.Parsed.Command() {
		case "show":
			return fmt.Errorf("ask: %w", lostRecords{})
		case "crash":
			panic("I9")
		}
		_, err := fmt.Fprintf(p.Stdout, "%s: %s x%d\n", p.Parsed.Command(), s.Topics.Apply.ApplicationID, s.Topics.Apply.Partitions)
		return err
	},
}

func TestExitStatus(t *testing.T) {
	canceled := fmt.Errorf("poll: %w", context.Canceled)
	failed := errors.New("no")
	for _, c := range []struct {
		name     string
		err      error
		stopping bool
		want     int
	}{
		{"nothing wrong", nil, false, 0},
		{"told to stop", canceled, true, 0},
		{"told to stop, several", errors.Join(canceled, canceled), true, 0},
		{"cancelled by itself", canceled, false, 1},
		{"failed while told to stop", errors.Join(canceled, failed), true, 1},
		{"a component was cancelled by itself", &runError{"x", canceled}, true, 1},
		{"failed", failed, false, 1},
		{"wrong use", fmt.Errorf("start: %w", Usagef("listen: no")), false, 2},
		{"a person must decide", fmt.Errorf("run: %w", lostRecords{}), false, 3},
		{"the worst wins", errors.Join(failed, Usagef("x"), lostRecords{}), true, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := exitStatus(c.err, c.stopping); got != c.want {
				t.Errorf("exitStatus(%v, %v) = %d, want %d", c.err, c.stopping, got, c.want)
			}
		})
	}
}

func TestSupervise(t *testing.T) {
	obedient := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	slow := func(ctx context.Context) error { <-ctx.Done(); time.Sleep(time.Minute); return nil }
	for _, c := range []struct {
		name    string
		run     func(context.Context) error
		signals []time.Duration // when, from the start
		want    int
		wantAt  time.Duration
	}{
		{"ends by itself", func(context.Context) error { return nil }, nil, 0, 0},
		{"one signal", obedient, []time.Duration{time.Second}, 0, time.Second},
		{"one signal, too slow", slow, []time.Duration{time.Second}, 1, 31 * time.Second},
		{"two signals", slow, []time.Duration{time.Second, 3 * time.Second}, 1, 3 * time.Second},
		{"panics", func(context.Context) error { panic("I1") }, nil, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				signals := make(chan os.Signal, 2)
				for _, at := range c.signals {
					time.AfterFunc(at, func() { signals <- syscall.SIGTERM })
				}
				begin := time.Now()
				stopping, err := supervise(t.Context(), c.run, signals, 30*time.Second, discard)
				if got := exitStatus(err, stopping); got != c.want {
					t.Errorf("status %d (%v), want %d", got, err, c.want)
				}
				if took := time.Since(begin); took != c.wantAt {
					t.Errorf("ended after %s, want %s", took, c.wantAt)
				}
				time.Sleep(2 * time.Minute) // virtual: lets a run that was left behind end
			})
		})
	}
}

func TestSuperviseStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stopping, err := supervise(ctx, func(ctx context.Context) error { <-ctx.Done(); return nil }, nil, time.Minute, discard)
		if err != nil || !stopping {
			t.Errorf("err %v, stopping %v, want a graceful stop", err, stopping)
		}
	})
}

var discard = slog.New(slog.DiscardHandler)

// invoke runs a binary in this process and returns its status and output.
func invoke[S any](b Binary[S], args, environ []string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = b.Main(context.Background(), Invocation{
		Args: args, Environ: environ, Stdin: strings.NewReader(""), Stdout: &out, Stderr: io.Writer(&errs),
	})
	return status, out.String(), errs.String()
}
