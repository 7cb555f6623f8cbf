package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const script = "deploy/kafka/local/kafka.sh"

// commandWithin bounds a command of the script. All but the first start on a machine, which fetches Kafka, take seconds.
const commandWithin = 5 * time.Minute

// A Broker is one that this test started and may treat as it likes. Its methods may be called from any goroutine, one
// at a time.
type Broker struct {
	bootstrap string
	script    string
	dir       string
}

// Own starts a broker for this test alone, as a process of kafka.sh, and kills it when the test has ended.
func Own(tb testing.TB) *Broker {
	tb.Helper()
	var own *Broker
	_, err := choose([]source{{
		missing: missingJava,
		start: func() (_ string, err error) {
			own, err = startProcess()
			return "", err
		},
	}})
	verdict(tb, err)
	tb.Cleanup(func() {
		if err := errors.Join(own.Kill(), os.RemoveAll(own.dir)); err != nil {
			tb.Error(err)
		}
	})
	return own
}

// Bootstrap returns host:port. It stays the same over restarts.
func (b *Broker) Bootstrap() string { return b.bootstrap }

// Kill ends the broker as a crash would, and returns when the process is gone.
func (b *Broker) Kill() error { return b.command("kill") }

// Stop shuts the broker down in order.
func (b *Broker) Stop() error { return b.command("stop") }

// Restart starts the broker on its port and data, and returns when it is usable. One that still runs is stopped first.
func (b *Broker) Restart() error { return b.command("restart") }

func (b *Broker) command(name string) error {
	_, err := run(b.script, name, "--dir", b.dir)
	return err
}

func java() source {
	return source{
		missing: missingJava,
		start: func() (string, error) {
			b, err := startProcess()
			if err != nil {
				return "", err
			}
			return b.bootstrap, nil
		},
	}
}

func missingJava() string {
	for _, program := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(program); err != nil {
			return program + " is not installed"
		}
	}
	return ""
}

// startProcess starts a broker on a free port, in a directory of its own. I2: the script watches this process, and
// takes the broker and the directory away after it.
func startProcess() (*Broker, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "highwater-kafka-")
	if err != nil {
		return nil, fmt.Errorf("directory for the broker: %w", err)
	}
	b := &Broker{script: filepath.Join(root, script), dir: dir}
	out, err := run(b.script, "start", "--dir", dir, "--port", "0", "--stop-with", strconv.Itoa(os.Getpid()))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	b.bootstrap, err = parseBootstrap(out)
	return b, err
}

// run returns what a command printed to standard output; an error carries what it said to standard error.
func run(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandWithin)
	defer cancel()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = time.Second
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, stderr.Bytes())
	}
	return string(out), nil
}

func parseBootstrap(line string) (string, error) {
	servers, ok := strings.CutPrefix(strings.TrimSpace(line), "bootstrap.servers=")
	if !ok || servers == "" || strings.ContainsAny(servers, " \n") {
		return "", fmt.Errorf("expected one line bootstrap.servers=HOST:PORT, got %q", line)
	}
	return servers, nil
}

// repository returns the directory that holds the script, from the tested package's directory upwards.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("working directory: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, script)); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no %s in any directory above the test's", script)
		}
		dir = parent
	}
}
