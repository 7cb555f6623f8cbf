package bench

import (
	"bytes"
	"crypto/sha256"
	"math"
	"net"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"highwater/pkg/event"
)

const now = event.Time(1767225600_000000)

func TestLatency(t *testing.T) {
	var waits []time.Duration
	for n := range 1000 {
		waits = append(waits, time.Duration(1000-n)*time.Millisecond)
	}
	got := newLatency(100, 10*time.Second, waits)
	quantiles := Quantiles{P50: 501, P90: 901, P99: 991, P999: 1000, Max: 1000}
	if want := (&Latency{Rate: 100, Seconds: 10, Events: 1000, Quantiles: quantiles}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if empty := newLatency(1, time.Second, nil); empty.Max != 0 {
		t.Errorf("of nothing: %+v", empty)
	}
}

func TestCPU(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		if _, ok := cpuOf(os.Getpid()); ok {
			t.Error("CPU time without /proc")
		}
		return
	}
	before, ok := cpuOf(os.Getpid())
	for began := time.Now(); ok && time.Since(began) < 10*time.Second; {
		if used, _ := cpuOf(os.Getpid()); used > before {
			return
		}
	}
	t.Errorf("CPU time of this process stays at %s (%v)", before, ok)
}

func TestPrint(t *testing.T) {
	run := func(pace float64, v Verification) *RunResult {
		return &RunResult{
			Events: 2_000_000, Users: 100, Pace: &Pace{EventsPerSecond: pace, CPU: []CPU{{"broker", 4, 2}, {"processor-1", 2, 1}}},
			Floor: &Pace{EventsPerSecond: 800_000}, Ratio: pace / 800_000, Memory: []Memory{{"processor-1", 3 << 20, 2 << 20}},
			Traffic:      &Traffic{Outputs: []Topic{{Topic: "entries", Records: 1, Bytes: 90}, {Topic: "alerts"}}, Changelog: Topic{Topic: "changelog", Records: 0.1, Bytes: 10}, Bytes: 100, Stored: 120},
			Latency:      []*Latency{newLatency(1000, time.Second, []time.Duration{2 * time.Millisecond})},
			Verification: v,
		}
	}
	r := &Result{Workload: "catch-up", Settled: true, Processors: 1, Partitions: 4, Machine: Machine{Cores: 2, Kafka: "v4.4"}, Runs: []*RunResult{
		run(400_000, Verification{Verified: true, Good: true}), run(200_000, Verification{Reason: "it was not asked for"}),
		run(300_000, Verification{Verified: true, Said: "ok   topics: 1\nFAIL entries: one is wrong\n"}),
	}}
	r.Summary = summarize(r.Runs)
	var out bytes.Buffer
	r.Print(&out)
	for _, want := range []string{
		"catch-up: 2,000,000 events of 100 users, every output on; 1 processor, 4 partitions, seed 0, 3 runs\n", "2 cores", "Kafka v4.4",
		"300,000 events/s (200,000 to 400,000)\n", "cpu of processor-1 ", "1.000 CPU-s/M events", "0.375 of the floor (0.250 to 0.500)\n",
		"peak memory of processor-1 ", "to Kafka, entries ", "90.0 B/event", "latency at 1000/s, p99.9", "2.000 ms",
		"run 1: verified", "run 2: not verified: it was not asked for\n", "run 3: FAILED", "  FAIL entries: one is wrong\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("nothing says %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "alerts") || !r.Refused() {
		t.Errorf("refused %v:\n%s", r.Refused(), out.String())
	}
	if r.Runs = r.Runs[:2]; r.Refused() {
		t.Error("a run that nobody verified is refused")
	}
	r.Runs[0].Against = run(1, Verification{Verified: true})
	if !r.Refused() {
		t.Error("what a run is compared with isn't looked at")
	}
}

func TestSummaryOfAnEvenNumber(t *testing.T) {
	var runs []*RunResult
	for _, pace := range []float64{40, 10, 20, 30} {
		runs = append(runs, &RunResult{Pace: &Pace{EventsPerSecond: pace}})
	}
	if got := summarize(runs)[0]; got != (Figure{"throughput", "events/s", 25, 10, 40}) {
		t.Errorf("got %+v", got)
	}
}

func TestMeasured(t *testing.T) {
	at := func(ms int64) time.Time { return time.UnixMilli(1_000_000 + ms) }
	s, err := measured([]transaction{
		{partition: 0, at: at(500), events: 30, bytes: 3, processedAt: 400}, {partition: 1, at: at(0), events: 10}, {partition: 0, at: at(100), events: 10},
		{partition: 1, at: at(300), events: 20, bytes: 2, processedAt: 200}, {partition: 1, at: at(700), events: 0}, {partition: 1, at: at(900), events: 7},
	}, map[int32]int64{0: 10, 1: 7}, 70)
	if err != nil {
		t.Fatal(err)
	}
	if s.events != 50 || s.seconds() != 0.4 || s.perSecond() != 125 || len(s.counted) != 2 || s.taken() != 77 || s.begun[0] != [2]event.Time{400, 400} || s.begun[1] != [2]event.Time{200, 200} {
		t.Errorf("got %+v", s)
	}
	if _, err := measured([]transaction{{events: 5}}, nil, 5); err == nil {
		t.Error("one transaction is measured")
	}
}

func TestWatch(t *testing.T) {
	from := time.Now()
	w := watchProcesses(map[string]int{"self": os.Getpid(), "nobody": -1})
	for time.Since(from) < 4*sampleEvery {
		_ = sha256.Sum256(make([]byte, 1<<16))
	}
	got := w.between(from, time.Now(), 1_000_000)
	if _, ok := cpuOf(os.Getpid()); !ok {
		if len(got) != 0 {
			t.Errorf("got %+v without /proc", got)
		}
		return
	}
	if len(got) != 1 || got[0].Process != "self" || got[0].Seconds <= 0 || math.Abs(got[0].Seconds-got[0].SecondsPerMillion) > 1e-9 {
		t.Errorf("got %+v", got)
	}
	if m := memoryOf("self", os.Getpid()); m.Resident <= 0 || m.Peak < m.Resident {
		t.Errorf("memory %+v", m)
	}
}

// TestFindBroker: something listens, but it is no Kafka.
func TestFindBroker(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, text, _ := net.SplitHostPort(listener.Addr().String())
	port, _ := strconv.ParseUint(text, 10, 16)
	if _, err := os.Stat("/proc/net/tcp"); err == nil {
		inodes := listeners("/proc/net/tcp", port)
		if len(inodes) != 1 || ownerOf("socket:["+inodes[0]+"]") != os.Getpid() {
			t.Errorf("sockets %v", inodes)
		}
	}
	if pid := FindBroker(t.Context(), "nowhere.invalid:1,"+listener.Addr().String()); pid != 0 {
		t.Errorf("process %d", pid)
	}
}

func TestPayload(t *testing.T) {
	p := payload{sample: []byte("abc")}
	for _, want := range []string{"ab", "ab", "c", "abca"} {
		if want == "abca" {
			p.next = 0
		}
		if got := string(p.take(len(want))); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	value, err := echoed(echo([]byte("event"), make([]byte, 100)))
	if err != nil || string(value) != "event" || len(echo([]byte("event"), make([]byte, 100))) != 100 {
		t.Errorf("%q, %v", value, err)
	}
	for _, cut := range []string{"", "\x00\x02a"} {
		if _, err := echoed([]byte(cut)); err == nil {
			t.Errorf("%q has an echo", cut)
		}
	}
}
