package query

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"highwater/pkg/event"
	"highwater/pkg/service"
	"highwater/pkg/state"
)

// benchWorld has 1,000 users with a grant and 200 subtracts each, flushed to
// tables as after a while in production.
func benchWorld(b *testing.B) *world {
	b.Helper()
	const users, subtracts = 1000, 200
	w := newWorld(b, 1, Config{})
	for n := range subtracts + 1 {
		w.now += second
		events := make([]event.Event, 0, users)
		for u := range users {
			user := fmt.Sprintf("user-%d", u)
			if n == 0 {
				events = append(events, grant(user, "g", "g", 1<<40))
			} else {
				events = append(events, subtract(user, fmt.Sprintf("s%d", n), 3))
			}
		}
		w.send(events...)
	}
	if err := w.homes[0].store.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	return w
}

// BenchmarkRead is a request in process, JSON and routing included, without
// the network.
func BenchmarkRead(b *testing.B) {
	w := benchWorld(b)
	r := rand.New(rand.NewPCG(1, 2))
	user := func() string { return fmt.Sprintf("/v1/users/user-%d/", r.IntN(1000)) }
	past := func() string { return (start + event.Time(1+r.IntN(200))*second).String() }
	for _, c := range []struct {
		name   string
		target func() string
	}{
		{"balance now", func() string { return user() + "balance" }},
		{"balance past", func() string { return user() + "balance?at=" + past() }},
		{"balance to come", func() string { return user() + "balance?at=2030-01-01T00:00:00Z" }},
		{"balance as known", func() string { return user() + "balance?known_at=" + past() }},
		{"entry", func() string { return fmt.Sprintf("%sentries/s%d", user(), 1+r.IntN(200)) }},
		{"entries of 100", func() string { return user() + "entries" }},
		{"newest 20 entries", func() string { return user() + "entries?order=desc&limit=20" }},
		{"timeline of 100", func() string { return user() + "timeline" }},
	} {
		b.Run(c.name, func(b *testing.B) {
			for range 200 { // until the blocks are in memory
				w.ask(c.target())
			}
			b.ReportAllocs()
			b.ResetTimer()
			begin := cpuTime(b)
			for range b.N {
				if answer := w.ask(c.target()); answer.Code != 200 {
					b.Fatal(answer.Body)
				}
			}
			b.ReportMetric(float64(cpuTime(b)-begin)/float64(b.N), "cpu-ns/op")
		})
	}
}

// usersWorld has users with five grants each and then so many subtracts, one
// a second, flushed to tables.
func usersWorld(b *testing.B, users, subtracts int, changelog func([]byte, state.Hash, int64)) *world {
	b.Helper()
	w := newWorld(b, 1, Config{})
	w.homes[0].changelog = changelog
	for n := range userGrants + subtracts {
		w.now += second
		w.send(round(n, users)...)
	}
	if err := w.homes[0].store.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	return w
}

const userGrants = 5

// round is the n-th event of every user.
func round(n, users int) []event.Event {
	events := make([]event.Event, users)
	for u := range events {
		user := fmt.Sprintf("user-%d", u)
		if n < userGrants {
			id := fmt.Sprintf("g%d", n)
			events[u] = grant(user, id, id, 1<<30)
		} else {
			events[u] = subtract(user, fmt.Sprintf("s%d", n), 3)
		}
	}
	return events
}

// crowds are those who are asked for: few again and again, and many seldom.
var crowds = []struct {
	name             string
	users, subtracts int
}{
	{"hot", 1000, 45},
	{"cold", 100_000, 5},
}

// question is what is asked of whom.
type question struct {
	Users int
	// Past are seconds since the world's beginning of which one is asked
	// about; 0 asks about now.
	Past int
}

func (q *question) target(r *rand.Rand) string {
	user := strconv.Itoa(r.IntN(q.Users))
	if q.Past == 0 {
		return "/v1/users/user-" + user + "/balance"
	}
	return "/v1/users/user-" + user + "/balance?at=" + strconv.FormatInt(int64(start)+int64(1+r.IntN(q.Past))*second, 10)
}

// nowhere takes an answer.
type nowhere struct {
	header http.Header
	status int
}

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n *nowhere) WriteHeader(status int)      { n.status = status }

// BenchmarkBalance asks for balances, now and at past times: of the handler in
// this process, and over loopback. The client is then a process of its own, so
// that the CPU time is the server's.
func BenchmarkBalance(b *testing.B) {
	for _, c := range crowds {
		b.Run(c.name, func(b *testing.B) {
			w := usersWorld(b, c.users, c.subtracts, nil)
			runtime.GC() // what making the world left behind
			for name, q := range map[string]question{"now": {Users: c.users}, "past": {Users: c.users, Past: userGrants + c.subtracts}} {
				b.Run(name+"/handler", func(b *testing.B) { benchHandler(b, w.handler, q) })
				b.Run(name+"/http", func(b *testing.B) { benchHTTP(b, w.handler, q) })
			}
		})
	}
}

func benchHandler(b *testing.B, handler http.Handler, q question) {
	b.Helper()
	ask := asker(b, handler, &q)
	for range 500 { // until the blocks are in memory
		ask()
	}
	took := make([]time.Duration, 0, b.N)
	b.ReportAllocs()
	b.ResetTimer()
	begin := cpuTime(b)
	for range b.N {
		from := time.Now()
		ask()
		took = append(took, time.Since(from))
	}
	reportRequests(b, cpuTime(b)-begin, took)
}

// asker asks a handler one random question a call.
func asker(b *testing.B, handler http.Handler, q *question) func() {
	b.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	to := &nowhere{header: http.Header{}}
	return func() {
		u, err := url.ParseRequestURI(q.target(rng))
		if err != nil {
			b.Error(err)
		}
		r := &http.Request{Method: http.MethodGet, URL: u, Host: "test", Header: http.Header{}, Body: http.NoBody}
		if handler.ServeHTTP(to, r); to.status != http.StatusOK {
			b.Errorf("%s: %d", u, to.status)
		}
	}
}

// reportRequests reports how long requests took, and what they took of the
// processor.
func reportRequests(b *testing.B, cpu time.Duration, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	micros := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
	b.ReportMetric(micros(took[len(took)/2]), "p50-us")
	b.ReportMetric(micros(took[len(took)*99/100]), "p99-us")
	b.ReportMetric(micros(cpu)/float64(len(took)), "cpu-us/request")
	b.ReportMetric(float64(len(took))/cpu.Seconds(), "requests/s-core")
}

// BenchmarkNothing is BenchmarkBalance over loopback of a handler that answers as
// many bytes and reads nothing: what the server itself takes.
func BenchmarkNothing(b *testing.B) {
	body := bytes.Repeat([]byte{' '}, 1500)
	benchHTTP(b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		if _, err := w.Write(body); err != nil {
			b.Error(err)
		}
	}), question{Users: 1000})
}

func benchHTTP(b *testing.B, handler http.Handler, q question) {
	b.Helper()
	server := service.NewServer("query", service.HTTP{Listen: "127.0.0.1:0", ShutdownTimeout: time.Second}, slog.New(slog.DiscardHandler))
	component := server.Component(handler)
	if err := component.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- component.Run(b.Context()) }()
	defer func() {
		if err := errors.Join(component.Stop(b.Context()), <-ended); err != nil {
			b.Error(err)
		}
	}()
	task := clientTask{Address: server.Addr().String(), Connections: 8, Requests: 500, Question: q}
	runClient(b, &task)
	task.Requests = b.N
	b.ResetTimer()
	begin := cpuTime(b)
	took := runClient(b, &task)
	reportRequests(b, cpuTime(b)-begin, took)
}

// asClient names the variable that makes this test binary the client.
const asClient = "QUERY_BENCH_CLIENT"

// clientTask is what the client reads from its input; what it writes is how
// long each request took.
type clientTask struct {
	Address               string
	Connections, Requests int
	Question              question
}

func runClient(b *testing.B, task *clientTask) (took []time.Duration) {
	b.Helper()
	input, err := json.Marshal(task)
	if err != nil {
		b.Fatal(err)
	}
	command := exec.CommandContext(b.Context(), os.Args[0])
	command.Env = append(os.Environ(), asClient+"=1")
	command.Stdin, command.Stderr = bytes.NewReader(input), os.Stderr
	output, err := command.Output()
	if err == nil {
		err = json.Unmarshal(output, &took)
	}
	if err != nil {
		b.Fatal(err)
	}
	return took
}

// client keeps its connections open, and asks on each again once it is
// answered.
func client() {
	var task clientTask
	if err := json.NewDecoder(os.Stdin).Decode(&task); err != nil {
		panic(err)
	}
	var left atomic.Int64
	left.Store(int64(task.Requests))
	took := make([][]time.Duration, task.Connections)
	var wg sync.WaitGroup
	for i := range took {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 2))
			connection, err := net.Dial("tcp", task.Address)
			if err != nil {
				panic(err)
			}
			defer connection.Close()
			from := bufio.NewReader(connection)
			for left.Add(-1) >= 0 {
				begin := time.Now()
				if err := askOver(connection, from, task.Question.target(rng)); err != nil {
					panic(err)
				}
				took[i] = append(took[i], time.Since(begin))
			}
		})
	}
	wg.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(slices.Concat(took...)); err != nil {
		panic(err)
	}
}

// askOver asks and reads the answer as cheaply as possible.
func askOver(to io.Writer, from *bufio.Reader, target string) error {
	if _, err := io.WriteString(to, "GET "+target+" HTTP/1.1\r\nHost: test\r\nAccept: application/json\r\nUser-Agent: bench\r\n\r\n"); err != nil {
		return err
	}
	status, err := from.ReadString('\n')
	if err == nil && !strings.HasPrefix(status, "HTTP/1.1 200 ") {
		err = fmt.Errorf("%s: %s", target, status)
	}
	length := 0
	for err == nil {
		var line []byte
		if line, err = from.ReadSlice('\n'); len(line) <= 2 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
	}
	if err == nil {
		_, err = from.Discard(length)
	}
	return err
}

// BenchmarkApplyWhileRead applies a changelog's batches of 1,000 events, an op
// a batch, while nobody or somebody reads as fast as can be. CPU time is that
// of the thread that applies; against none shows what readers take from it
// beside the processor itself.
func BenchmarkApplyWhileRead(b *testing.B) {
	const users, before = 1000, 50
	var changelog []state.Record
	usersWorld(b, users, before+400, func(batch []byte, hash state.Hash, offset int64) {
		changelog = append(changelog, state.Record{Batch: slices.Clone(batch), Hash: hash, Offset: offset})
	})
	for _, readers := range []int{0, 1, 4, 16} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			shared := state.NewShared(64<<20, 0)
			defer shared.Close()
			var store *state.Store
			var reads atomic.Int64
			var cpu, wall time.Duration
			for done := 0; done < b.N; {
				var err error
				if store, err = state.Open(state.Options{Dir: "replica", FS: vfs.NewMem(), Shared: shared, NoFilter: true}); err != nil {
					b.Fatal(err)
				}
				apply := func(records []state.Record) {
					for i := range records {
						if _, err := store.ApplyRecords(records[i : i+1]); err != nil {
							b.Fatal(err)
						}
					}
				}
				apply(changelog[:before])
				stop := readAll(b, store, readers, users, &reads)
				rest := changelog[before:]
				rest = rest[:min(len(rest), b.N-done)]
				runtime.LockOSThread()
				begin, from := threadTime(b), time.Now()
				apply(rest)
				wall += time.Since(from)
				cpu += threadTime(b) - begin
				runtime.UnlockOSThread()
				done += len(rest)
				stop()
				if err := store.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpu.Microseconds())/float64(b.N), "cpu-us/batch")
			b.ReportMetric(float64(b.N)/wall.Seconds(), "batches/s")
			b.ReportMetric(float64(reads.Load())/wall.Seconds(), "reads/s")
		})
	}
}

// readAll lets readers ask for balances of a store until stop.
func readAll(b *testing.B, store *state.Store, readers, users int, reads *atomic.Int64) (stop func()) {
	b.Helper()
	ready := make(chan struct{})
	close(ready)
	s := New(Config{})
	s.Serve([]Partition{{Store: store, Ready: ready}})
	handler := s.Handler(http.NewServeMux())
	stopped := make(chan struct{})
	var wg sync.WaitGroup
	for range readers {
		ask := asker(b, handler, &question{Users: users})
		wg.Go(func() {
			for {
				select {
				case <-stopped:
					return
				default:
					ask()
					reads.Add(1)
				}
			}
		})
	}
	return func() { close(stopped); wg.Wait() }
}

// cpuTime is what this process has used of the processor, garbage collection
// and background work included.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// threadTime is what this thread has used of the processor.
func threadTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_THREAD, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
