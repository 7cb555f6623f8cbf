package bench

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopWithin is how long a processor may take to stop; then it is killed.
const stopWithin = 30 * time.Second

// process is a processor that was started.
type process struct {
	name    string
	command *exec.Cmd
	log     *os.File
	ended   chan struct{}

	mu sync.Mutex
	// failure, guarded by mu, is why it ended, if nobody told it to.
	failure error
	told    bool
}

// start runs a processor's binary with these settings, as environment, in a
// directory of its own.
func start(ctx context.Context, name, binary, dir string, environ []string) (*process, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	p := &process{name: name, command: exec.CommandContext(ctx, binary), log: log, ended: make(chan struct{})}
	p.command.Env = environ
	p.command.Stdout, p.command.Stderr = log, log
	p.command.Cancel = func() error { return p.command.Process.Signal(syscall.SIGTERM) }
	p.command.WaitDelay = stopWithin
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	go func() {
		defer close(p.ended)
		err := p.command.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.told {
			p.failure = fmt.Errorf("%s ended by itself: %w: %s", name, cmp.Or(err, errors.New("status 0")), p.lastWords())
		}
	}()
	return p, nil
}

// failed is why it isn't there any more, if nobody told it to end.
func (p *process) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failure
}

// stop ends it in order.
func (p *process) stop() error {
	p.mu.Lock()
	p.told = true
	p.mu.Unlock()
	// One that has ended already can't be told.
	_ = p.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(stopWithin):
		_ = p.command.Process.Kill()
		<-p.ended
		return fmt.Errorf("%s didn't stop within %s and was killed: %s", p.name, stopWithin, p.lastWords())
	}
	return p.log.Close()
}

// lastWords is the end of its log.
func (p *process) lastWords() string {
	const most = 2000
	text, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-most):]))
}

// clockTicks is USER_HZ, which is 100 on every Linux.
const clockTicks = 100

// cpuOf is the user and system time that a process has used; ok is false
// where the system doesn't tell it like Linux.
func cpuOf(pid int) (used time.Duration, ok bool) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, false
	}
	// The name, in brackets, may hold anything.
	_, rest, ok := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, false
	}
	user, userErr := strconv.ParseInt(fields[11], 10, 64)
	system, systemErr := strconv.ParseInt(fields[12], 10, 64)
	if userErr != nil || systemErr != nil {
		return 0, false
	}
	return time.Duration(user+system) * time.Second / clockTicks, true
}
