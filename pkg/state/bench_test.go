package state

import (
	"encoding/binary"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The workload of the benchmarks is that of usage events: each looks its
// identity up, and writes that, its event row and a row of due work.
const (
	benchEvents   = 5000
	benchAccounts = 100_000
)

type workload struct {
	rng       *rand.Rand
	at        uint64
	identity  [identityKeyBytes]byte
	event     [1 + 8 + 8 + 8]byte
	due       [1 + 8 + 8]byte
	eventRow  [70]byte
	reference [20]byte
}

func newWorkload() *workload {
	w := &workload{rng: rand.New(rand.NewPCG(1, 2)), at: 1_700_000_000_000_000}
	w.identity[0], w.event[0], w.due[0] = DefaultIdentityPrefix, 0x12, 0x20
	for i := range w.eventRow {
		w.eventRow[i] = byte(w.rng.Uint32())
	}
	return w
}

func (w *workload) next() {
	w.at += 50
	binary.BigEndian.PutUint64(w.identity[1:], w.rng.Uint64())
	binary.BigEndian.PutUint64(w.identity[9:], w.rng.Uint64())
	account := uint64(w.rng.IntN(benchAccounts)) * 0x9e3779b97f4a7c15
	binary.BigEndian.PutUint64(w.event[1:], account)
	binary.BigEndian.PutUint64(w.event[9:], w.at)
	binary.BigEndian.PutUint64(w.event[17:], w.rng.Uint64())
	binary.BigEndian.PutUint64(w.due[1:], w.at/1e6)
	binary.BigEndian.PutUint64(w.due[9:], account)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCycle is a shard's whole use of its state, an op an event: CPU time
// of everything, flushes and compactions included, and of the steps of the
// owner.
func BenchmarkCycle(b *testing.B) {
	for name, fs := range map[string]vfs.FS{"disk": vfs.Default, "memory": vfs.NewMem()} {
		b.Run(name, func(b *testing.B) { benchmarkCycle(b, fs) })
	}
}

func benchmarkCycle(b *testing.B, fs vfs.FS) {
	b.Helper()
	shared := NewShared(256<<20, 0)
	defer shared.Close()
	s, err := Open(Options{Dir: b.TempDir(), FS: fs, Shared: shared})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	r, w := s.Rows(), newWorkload()
	var set, get, seal, apply time.Duration
	var bytes, maybe int
	b.ReportAllocs()
	b.ResetTimer()
	cpu := cpuTime()
	for done := 0; done < b.N; {
		n := min(benchEvents, b.N-done)
		for range n {
			w.next()
			from := time.Now()
			if s.filter.maybe(hashIdentity(w.identity[:])) {
				maybe++
			}
			if _, ok := r.Get(w.identity[:]); ok {
				b.Fatal("a new identity is known")
			}
			mid := time.Now()
			r.Set(w.identity[:], w.reference[:])
			r.Set(w.event[:], w.eventRow[:])
			r.Set(w.due[:], nil)
			set += time.Since(mid)
			get += mid.Sub(from)
		}
		from := time.Now()
		batch, err := r.Seal(Progress{})
		if err != nil {
			b.Fatal(err)
		}
		bytes += len(batch.Bytes())
		mid := time.Now()
		if err := r.Apply(batch, s.Meta().Seq); err != nil {
			b.Fatal(err)
		}
		apply += time.Since(mid)
		seal += mid.Sub(from)
		done += n
	}
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(b.N) }
	b.ReportMetric(per(cpuTime()-cpu), "cpu-ns/op")
	b.ReportMetric(per(get), "get-ns/op")
	b.ReportMetric(per(set), "set3-ns/op")
	b.ReportMetric(per(seal), "seal-ns/op")
	b.ReportMetric(per(apply), "apply-ns/op")
	b.ReportMetric(float64(bytes)/float64(b.N), "batch-B/op")
	b.ReportMetric(float64(maybe)/float64(b.N)*100, "%maybe")
	m := s.db.Metrics()
	b.Logf("%d events, flushes %d, compactions %d, disk %d MiB", b.N, m.Flush.Count, m.Compact.Count, m.DiskSpaceUsage()>>20)
}

// BenchmarkFilter asks for identities that are absent, of a filter of as many
// as there are ops, at least a million.
func BenchmarkFilter(b *testing.B) {
	w := newWorkload()
	f := newFilter(0)
	n := max(b.N, 1<<20)
	from := time.Now()
	for range n {
		w.next()
		f.add(hashIdentity(w.identity[:]))
	}
	add := time.Since(from)
	b.ResetTimer()
	maybe := 0
	for range b.N {
		w.next()
		if f.maybe(hashIdentity(w.identity[:])) {
			maybe++
		}
	}
	b.ReportMetric(float64(maybe)/float64(b.N)*100, "%maybe")
	b.ReportMetric(float64(add.Nanoseconds())/float64(n), "add-ns")
	b.ReportMetric(float64(f.size()*8)/float64(n), "bits")
	b.ReportMetric(float64(len(f.generations)), "generations")
}

// BenchmarkOpen builds the filter of a state with two million identities, an
// op an identity.
func BenchmarkOpen(b *testing.B) {
	const identities = 2_000_000
	o := Options{Dir: b.TempDir()}
	s, err := Open(o)
	if err != nil {
		b.Fatal(err)
	}
	w := newWorkload()
	for i := range identities {
		w.next()
		s.Rows().Set(w.identity[:], w.reference[:])
		if i%benchEvents == benchEvents-1 {
			batch, err := s.Rows().Seal(Progress{})
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Rows().Apply(batch, s.Meta().Seq); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := s.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for done := 0; done < b.N; done += identities {
		if s, err = Open(o); err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLayer writes rows into an overlay, an op a Set, and reads them
// back.
func BenchmarkLayer(b *testing.B) {
	s, err := Open(Options{Dir: "a", FS: vfs.NewMem()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	r := s.Rows()
	rng := rand.New(rand.NewPCG(1, 2))
	keys := make([][25]byte, 3*benchEvents)
	for i := range keys {
		keys[i][0] = 0x12
		for j := 1; j < 25; j += 8 {
			binary.BigEndian.PutUint64(keys[i][j:], rng.Uint64())
		}
	}
	value := make([]byte, 50)
	b.Run("set", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			if i%len(keys) == 0 {
				r.Abort()
			}
			r.Set(keys[i%len(keys)][:], value)
		}
	})
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		for i := range keys {
			r.Set(keys[i][:], value)
		}
		b.ResetTimer()
		for i := range b.N {
			if _, ok := r.Get(keys[i%len(keys)][:]); !ok {
				b.Fatal("lost")
			}
		}
	})
	b.Run("scan between sets", func(b *testing.B) {
		r.Abort()
		b.ReportAllocs()
		for i := range b.N {
			if i%len(keys) == 0 {
				r.Abort()
			}
			k := keys[i%len(keys)]
			r.Set(k[:], value)
			from, to := k, k
			from[24], to[8] = 0, to[8]+1
			for range r.Scan(from[:], to[:]) {
				break
			}
		}
	})
}

// BenchmarkMany opens 64 states with common caches, a batch in each.
func BenchmarkMany(b *testing.B) {
	const states = 64
	for range b.N {
		shared := NewShared(256<<20, 0)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		goroutines := runtime.NumGoroutine()
		dir := b.TempDir()
		var stores []*Store
		for i := range states {
			s, err := Open(Options{Dir: filepath.Join(dir, strconv.Itoa(i)), Shard: int32(i), Shared: shared})
			if err != nil {
				b.Fatal(err)
			}
			stores = append(stores, s)
			s.Rows().Set([]byte("k"), []byte("v"))
			batch, err := s.Rows().Seal(Progress{})
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Rows().Apply(batch, 0); err != nil {
				b.Fatal(err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.Sys-before.Sys)/states/1024, "KiB/state")
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/states, "goroutines/state")
		for _, s := range stores {
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		}
		shared.Close()
	}
}
