package bench

import (
	"bytes"
	"os"
	"reflect"
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
	if want := (&Latency{Rate: 100, Seconds: 10, Events: 1000, P50: 501, P99: 991, P999: 1000, Max: 1000}); !reflect.DeepEqual(got, want) {
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
	r := Result{
		Seed: 1, Partitions: 8, Processors: 2, Users: 100, Events: 2_000_000, LoadSeconds: 4, Seconds: 5, EventsPerSecond: 400_000, Transactions: 77,
		CPU: []CPU{{"processor-2", 2, 1}, {"broker", 4, 2}}, Latency: []*Latency{{Rate: 1000, Events: 10_000, P50: 1.25, P99: 9, P999: 20, Max: 30}},
	}
	var out bytes.Buffer
	r.Print(&out)
	for _, want := range []string{
		"load        2,000,000 events of 100 users in 4.0 s, seed 1\n",
		"throughput  400,000 events/s: 2 processors, 8 partitions, 5.00 s, 77 transactions\n",
		"cpu         broker       2.00 s for a million events (4.00 s)\ncpu         processor-2  1.00 s",
		"latency     p50 1.2 ms, p99 9.0 ms, p99.9 20.0 ms, max 30.0 ms: 10,000 events at 1,000 a second",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("nothing says %q:\n%s", want, out.String())
		}
	}
}
