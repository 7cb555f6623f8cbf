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
	"sync"
	"syscall"
	"time"
)

// stopWithin is how long a processor may take to stop; then it is killed.
const stopWithin = 30 * time.Second

// process is one that was started.
type process struct {
	name string
	// address is what a processor listens on.
	address string
	command *exec.Cmd
	log     *os.File
	ended   chan struct{}

	mu sync.Mutex
	// failure, guarded by mu, is why it ended, if nobody told it to.
	failure error
	told    bool
}

// start runs a program with these settings, as environment, and keeps what it
// says in a directory.
func start(ctx context.Context, name, dir string, environ []string, binary string, args ...string) (*process, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	p := &process{name: name, command: exec.CommandContext(ctx, binary, args...), log: log, ended: make(chan struct{})}
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

func (p *process) pid() int { return p.command.Process.Pid }

// failed is why it isn't there any more, if nobody told it to end.
func (p *process) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failure
}

// tell notes that it is to end.
func (p *process) tell() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = true
}

// kill ends it as a crash would.
func (p *process) kill() error {
	p.tell()
	if err := p.command.Process.Kill(); err != nil {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	<-p.ended
	return p.log.Close()
}

// stop ends it in order.
func (p *process) stop() error {
	p.tell()
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
