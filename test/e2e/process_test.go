package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

const (
	// endWithin bounds how long a process may take to end once it should.
	endWithin = time.Minute
	// shownBytes is how much of a log's end is shown.
	shownBytes = 3 << 10
)

// binaries are built once for all tests.
var binaries struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "highwater-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binaries.dir = dir
	status := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// program is the path of a program of this repository.
func program(t *testing.T, name string) string {
	t.Helper()
	binaries.once.Do(func() {
		build := exec.Command("go", "build", "-o", binaries.dir+string(filepath.Separator), "highwater/cmd/...")
		if out, err := build.CombinedOutput(); err != nil {
			binaries.err = fmt.Errorf("build the binaries: %w\n%s", err, out)
		}
	})
	if binaries.err != nil {
		t.Fatal(binaries.err)
	}
	return filepath.Join(binaries.dir, name)
}

// process is a process that may be started again and again.
type process struct {
	t       *testing.T
	name    string
	log     string
	command []string

	cmd  *exec.Cmd
	done chan struct{}
	// kills counts the ends by SIGKILL.
	kills int
}

func (p *process) start() {
	p.t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(program(p.t, p.command[0]), p.command[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.done = make(chan struct{})
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // what matters of it is in ProcessState
	}()
}

// isRunning reports whether it hasn't ended by itself.
func (p *process) isRunning() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// kill ends it as a crash would; that it had ended before is a failure.
func (p *process) kill() {
	p.t.Helper()
	if !p.isRunning() {
		p.t.Fatalf("%s ended by itself: %s", p.name, p.cmd.ProcessState)
	}
	p.signal(os.Kill)
	<-p.done
	p.kills++
}

// stop ends it gracefully, and checks that it says so.
func (p *process) stop() {
	p.t.Helper()
	p.signal(os.Interrupt)
	if status := p.wait(); status != 0 {
		p.t.Errorf("%s: exit status %d after a graceful stop", p.name, status)
	}
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

// wait waits for it to end, and gives its exit status.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(endWithin):
		p.t.Fatalf("%s still runs after %s", p.name, endWithin)
	}
	return p.cmd.ProcessState.ExitCode()
}

// end ends it with the test, and shows its log where the test failed.
func (p *process) end() {
	if p.isRunning() {
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	if p.t.Failed() {
		p.t.Logf("the end of %s:\n%s", p.log, p.tail())
	}
}

func (p *process) tail() []byte {
	log, err := os.ReadFile(p.log)
	if err != nil {
		return []byte(err.Error())
	}
	log = bytes.Join(slices.DeleteFunc(bytes.SplitAfter(log, []byte("\n")), func(line []byte) bool {
		return bytes.Contains(line, []byte("msg=setting"))
	}), nil)
	return log[max(0, len(log)-shownBytes):]
}

// logged reports whether the log says something.
func (p *process) logged(text string) bool {
	log, err := os.ReadFile(p.log)
	return err == nil && bytes.Contains(log, []byte(text))
}
