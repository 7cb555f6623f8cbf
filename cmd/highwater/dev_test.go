package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"highwater/pkg/service"
)

// stopWithin is how soon Ctrl-C ends `highwater dev`.
const stopWithin = 10 * time.Second

// output takes what a running command says.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// running is `highwater dev` in this process.
type running struct {
	t      *testing.T
	stop   context.CancelFunc
	status chan int
	output *output
}

var anyPort = []string{"--kafka-port=0", "--registry-port=0", "--ingest-port=0", "--query-port=0", "--processor-port=0"}

// startDev returns once everything is ready.
func startDev(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := &running{t: t, stop: stop, status: make(chan int, 1), output: &output{}}
	go func() {
		r.status <- binary.Main(ctx, service.Invocation{
			Args: append(append([]string{"dev"}, anyPort...), args...), Stdin: strings.NewReader(""), Stdout: r.output, Stderr: r.output,
		})
	}()
	t.Cleanup(func() {
		stop()
		<-r.status
	})
	r.await("Prove that every balance is right")
	return r
}

// await waits until a text is on the screen.
func (r *running) await(text string) {
	r.t.Helper()
	deadline, again := time.After(patience), time.NewTicker(10*time.Millisecond)
	defer again.Stop()
	for !strings.Contains(r.output.String(), text) {
		select {
		case <-again.C:
		case status := <-r.status:
			r.status <- status
			r.t.Fatalf("it ended with %d before it said %q:\n%s", status, text, r.output)
		case <-deadline:
			r.t.Fatalf("it never said %q:\n%s", text, r.output)
		}
	}
}

// address finds one on the screen.
func (r *running) address(what string) string {
	r.t.Helper()
	found := regexp.MustCompile(`(?m)^  ` + what + ` +(?:http://)?([0-9.:]+)`).FindStringSubmatch(r.output.String())
	if found == nil {
		r.t.Fatalf("no address of %q:\n%s", what, r.output)
	}
	return found[1]
}

// end stops it as Ctrl-C does.
func (r *running) end() {
	r.t.Helper()
	began := time.Now()
	r.stop()
	status := <-r.status
	r.status <- status // for the clean-up
	if took := time.Since(began); status != 0 || took > stopWithin {
		r.t.Fatalf("it ended with %d after %s:\n%s", status, took, r.output)
	}
}

// TestDevSample is what a person sees first: late events rewrite balances, and
// what is shown is proved.
func TestDevSample(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	r := startDev(t, "--sample", "--sample-over=2s")
	r.await(" late changed ")
	r.await("The sample is over: of 10,")
	if !testing.Short() { // the replay is slow under the race detector, and has no goroutines
		invoke(t, "", "verify", "--bootstrap-servers="+r.address("Kafka")).wants(t, 0, "ok   timelines: ", "ok   inputs: ")
	}
	r.end()
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestDevKeeps restarts it on what it kept.
func TestDevKeeps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kept")
	first := startDev(t, "--data-dir="+dir)
	invoke(t, grantLine("alice", "e1")+"\n"+grantLine("alice", "e2"), "send", "--ingest=http://"+first.address("write API")).
		wants(t, 0, "recorded 2 of 2 events")
	wait := []string{"tail", "entries", "--from-beginning", "--limit=2", "--bootstrap-servers=" + first.address("Kafka")}
	invoke(t, "", wait...).wants(t, 0, `"event_id":"e2"`)
	first.end()

	second := startDev(t, "--data-dir="+dir)
	wait[len(wait)-1] = "--bootstrap-servers=" + second.address("Kafka")
	invoke(t, "", wait...).wants(t, 0, `"event_id":"e1"`)
	invoke(t, grantLine("alice", "e1"), "send", "--ingest=http://"+second.address("write API")).wants(t, 0, "recorded 1 of 1 event")
	invoke(t, "", "verify", wait[len(wait)-1]).wants(t, 0, "1 duplicates", " 3 records")
	second.end()
}

func TestDevPortIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	args := append([]string{"dev"}, anyPort...)
	invoke(t, "", append(args, "--query-port="+port)...).wants(t, 2, "--query-port: port "+port+" is for the read API, and something listens there already")
}
