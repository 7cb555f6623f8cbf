package state

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/prometheus/client_golang/prometheus"

	"highwater/pkg/event"
)

func mustOpen(t *testing.T, o Options) *Store {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func reopen(t *testing.T, s *Store, o Options) *Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return mustOpen(t, o)
}

// commit seals and applies what the rows of a state hold, and gives a copy of
// the batch's bytes.
func commit(t *testing.T, s *Store, p Progress) []byte {
	t.Helper()
	b, err := s.Rows().Seal(p)
	if err != nil {
		t.Fatal(err)
	}
	bytes := append([]byte(nil), b.Bytes()...)
	if err := s.Rows().Apply(b, s.Meta().Offset+3); err != nil {
		t.Fatal(err)
	}
	return bytes
}

// applyRecord applies one batch of the changelog.
func applyRecord(s *Store, batch []byte, hash Hash, offset int64) error {
	applied, err := s.ApplyRecords([]Record{{batch, hash, offset}})
	if (applied == 1) != (err == nil) {
		return fmt.Errorf("%d batches were applied: %w", applied, err)
	}
	return err
}

func TestMeta(t *testing.T) {
	o := Options{Dir: "a", Shard: 3, FS: vfs.NewMem()}
	s := mustOpen(t, o)
	if got := s.Meta(); got != (Meta{Shard: 3, Offset: NoOffset}) {
		t.Errorf("an empty state says %+v", got)
	}
	p := Progress{Positions: [Topics]int64{1, 2, 3, 4, 5}, Watermark: 6, ProcessedAt: 7}
	s.Rows().Set([]byte{0x11, 1}, []byte("x"))
	first := commit(t, s, Progress{})
	second := commit(t, s, p)
	h1 := Chain(Hash{}, HashBatch(first))
	want := Meta{Shard: 3, Seq: 2, PrevHash: h1, Hash: Chain(h1, HashBatch(second)), Offset: 5, Identities: 1, Progress: p}
	if got := s.Meta(); got != want {
		t.Errorf("%+v\ninstead of %+v", got, want)
	}
	if got := s.Rows().store.Meta(); !got.Passed(event.Position{Topic: event.Transfers, Offset: 4}) || got.Passed(event.Position{Topic: event.Grants, Offset: 1}) {
		t.Errorf("positions %v", got.Positions)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, o)
	if got := s.Meta(); got != want {
		t.Errorf("reopened: %+v\ninstead of %+v", got, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	o.Shard = 4
	if _, err := Open(o); !errors.Is(err, ErrWrongShard) {
		t.Errorf("opened as another shard's: %v", err)
	}
}

// The bytes of version 1, for ever.
func TestMetaBytes(t *testing.T) {
	m := Meta{
		Shard: 0x01020304, Seq: 0x05060708, PrevHash: Hash{0xaa, 31: 0xbb}, Hash: Hash{0xcc, 31: 0xdd},
		Offset: 0x1112, Identities: 0x1314,
		Progress: Progress{Positions: [Topics]int64{1, 2, 3, 4, 5}, Watermark: 0x2122, ProcessedAt: 0x2324},
	}
	zeros := strings.Repeat("00", 30)
	meta := "01" + "01020304" + "0000000005060708" + "aa" + zeros + "bb" +
		"0000000000000001" + "0000000000000002" + "0000000000000003" + "0000000000000004" + "0000000000000005" +
		"0000000000002122" + "0000000000002324"
	mark := "01" + "0000000000001112" + "cc" + zeros + "dd" + "0000000000001314"
	if got := fmt.Sprintf("%x", appendMeta(nil, &m)); got != meta {
		t.Errorf("meta row\n%s instead of\n%s", got, meta)
	}
	if got := fmt.Sprintf("%x", appendMark(nil, &m)); got != mark {
		t.Errorf("mark row\n%s instead of\n%s", got, mark)
	}
	var got Meta
	if err := errors.Join(decodeMeta(appendMeta(nil, &m), &got), decodeMark(appendMark(nil, &m), &got)); err != nil || got != m {
		t.Errorf("read back: %+v, %v", got, err)
	}
	for _, row := range [][]byte{nil, {0}, {2}, {1}, appendMeta(nil, &m)[:100], append(appendMeta(nil, &m), 0)} {
		if decodeMeta(row, &got) == nil || decodeMark(row, &got) == nil {
			t.Errorf("row %x is read", row)
		}
	}
}

// I3, and that a batch is the one that follows.
func TestApplyRecordsRefuses(t *testing.T) {
	source := mustOpen(t, Options{Dir: "a", FS: vfs.NewMem()})
	source.Rows().Set([]byte("key"), []byte("value"))
	first := commit(t, source, Progress{})
	source.Rows().Delete([]byte("key"))
	source.Rows().DeleteRange([]byte("l"), []byte("m"))
	second := commit(t, source, Progress{})

	ops := func(count uint32, ops ...string) []byte {
		b := append(binary.LittleEndian.AppendUint32(nil, count), first[4:4+1+2+1+1+metaBytes-1]...)
		for _, op := range ops {
			b = append(b, op...)
		}
		return b
	}
	otherShard := bytes.Clone(first)
	otherShard[4+1+2+1+4] = 9
	newer := bytes.Clone(first)
	newer[4+1+2+1] = 2
	for name, c := range map[string]struct {
		batch  []byte
		offset int64
		want   error
	}{
		"empty":             {nil, 5, ErrBatch},
		"no operation":      {make([]byte, 4), 5, ErrBatch},
		"no meta row":       {append([]byte{1, 0, 0, 0}, "\x01\x03key\x01v"...), 5, ErrBatch},
		"cut short":         {first[:len(first)-1], 5, ErrBatch},
		"one byte more":     {append(bytes.Clone(first), 1), 5, ErrBatch},
		"count too high":    {append([]byte{3, 0, 0, 0}, first[4:]...), 5, ErrBatch},
		"count too low":     {append([]byte{1, 0, 0, 0}, first[4:]...), 5, ErrBatch},
		"merge":             {ops(2, "\x02\x03key\x01v"), 5, ErrBatch},
		"single delete":     {ops(2, "\x07\x03key"), 5, ErrBatch},
		"log":               {ops(1, "\x03\x03key"), 5, ErrBatch},
		"range key":         {ops(2, "\x15\x03key\x01v"), 5, ErrBatch},
		"its own mark":      {ops(2, "\x01\x01\x02\x01v"), 5, ErrBatch},
		"meta row twice":    {ops(2, "\x01\x01\x01\x01v"), 5, ErrBatch},
		"out of order":      {ops(3, "\x01\x03key\x01v", "\x01\x03kex\x01v"), 5, ErrBatch},
		"key twice":         {ops(3, "\x01\x03key\x01v", "\x00\x03key"), 5, ErrBatch},
		"range behind row":  {ops(3, "\x01\x03key\x01v", "\x0f\x03key\x01l"), 5, ErrBatch},
		"empty key":         {ops(2, "\x01\x00\x01v"), 5, ErrBatch},
		"endless length":    {ops(2, "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 5, ErrBatch},
		"length of nothing": {ops(2, "\x01"), 5, ErrBatch},
		"other shard":       {otherShard, 5, ErrChain},
		"newer format":      {newer, 5, ErrFormat},
		"later one":         {second, 5, ErrChain},
		"offset before":     {first, NoOffset, ErrChain},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustOpen(t, Options{Dir: "b", FS: vfs.NewMem()})
			if err := applyRecord(s, c.batch, HashBatch(c.batch), c.offset); !errors.Is(err, c.want) {
				t.Errorf("error %v instead of %v", err, c.want)
			}
			if s.Meta() != (Meta{Offset: NoOffset}) {
				t.Errorf("state is at %+v", s.Meta())
			}
		})
	}
	s := mustOpen(t, Options{Dir: "b", FS: vfs.NewMem()})
	for _, b := range [][]byte{first, second} {
		if err := applyRecord(s, b, HashBatch(b), s.Meta().Offset+3); err != nil {
			t.Fatal(err)
		}
	}
	if s.Meta() != source.Meta() {
		t.Errorf("%+v instead of %+v", s.Meta(), source.Meta())
	}
	if err := applyRecord(s, second, HashBatch(second), 100); !errors.Is(err, ErrChain) {
		t.Errorf("applied twice: %v", err)
	}
}

// A batch of every size is applied as it is, also where Pebble makes a memtable
// of it and keeps its memory.
func TestLargeBatches(t *testing.T) {
	fs := vfs.NewMem()
	s, other := mustOpen(t, Options{Dir: "a", FS: fs, memTableBytes: 1 << 20}), mustOpen(t, Options{Dir: "b", FS: fs, memTableBytes: 1 << 20})
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 12 {
		n := []int{10, 5000, 20_000}[i%3]
		for range n {
			s.Rows().Set(binary.BigEndian.AppendUint64([]byte{0x10}, rng.Uint64N(30_000)), binary.BigEndian.AppendUint64(make([]byte, 50), rng.Uint64()))
		}
		b := commit(t, s, Progress{})
		if err := applyRecord(other, b, HashBatch(b), s.Meta().Offset); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := contentHash(t, s), contentHash(t, other); a != b {
		t.Errorf("content %s and %s", a, b)
	}
}

// I1: a crash in the middle of whatever Pebble does leaves the state behind one
// of the batches; the changelog brings it to where it was.
func TestCrash(t *testing.T) {
	behind := 0
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			fs := vfs.NewCrashableMem()
			s := mustOpen(t, Options{Dir: "a", FS: fs, memTableBytes: 300 << 10})
			type snapshot struct {
				fs   *vfs.MemFS
				seen int64
			}
			var crashes []snapshot
			var log [][]byte
			for range 150 {
				for range rng.IntN(200) {
					key := binary.BigEndian.AppendUint64([]byte{DefaultIdentityPrefix}, rng.Uint64N(5000))
					switch rng.IntN(10) {
					case 0:
						s.Rows().Delete(key)
					case 1:
						s.Rows().DeleteRange(key, binary.BigEndian.AppendUint64([]byte{DefaultIdentityPrefix}, rng.Uint64N(6000)))
					default:
						s.Rows().Set(key, bytes.Repeat(key, 1+rng.IntN(20)))
					}
				}
				log = append(log, commit(t, s, Progress{}))
				if rng.IntN(30) == 0 {
					if err := s.Flush(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if rng.IntN(15) == 0 {
					clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
					crashes = append(crashes, snapshot{clone, s.Meta().Seq})
				}
			}
			want := contentHash(t, s)
			for _, c := range crashes {
				after := mustOpen(t, Options{Dir: "a", FS: c.fs, memTableBytes: 300 << 10})
				seq := after.Meta().Seq
				if seq > c.seen {
					t.Fatalf("state behind batch %d, %d were applied", seq, c.seen)
				}
				if seq > 0 && seq < c.seen {
					behind++
				}
				replayed := mustOpen(t, Options{Dir: "b", FS: vfs.NewMem()})
				for i, b := range log {
					if int64(i) == seq {
						if got, expect := contentHash(t, after), contentHash(t, replayed); got != expect {
							t.Fatalf("after the crash at batch %d: content %s, that of the changelog is %s", seq, got, expect)
						}
					}
					if int64(i) >= seq {
						if err := applyRecord(after, b, HashBatch(b), int64(3*i+2)); err != nil {
							t.Fatal(err)
						}
					} else if err := applyRecord(replayed, b, HashBatch(b), int64(3*i+2)); err != nil {
						t.Fatal(err)
					}
				}
				if got := contentHash(t, after); got != want || after.Meta() != s.Meta() {
					t.Fatalf("content %s at %+v\ninstead of %s at %+v", got, after.Meta(), want, s.Meta())
				}
			}
		})
	}
	if behind == 0 {
		t.Error("none of the crashes left a state behind an earlier batch")
	}
}

func TestCheckpoint(t *testing.T) {
	fs := vfs.NewMem()
	s := mustOpen(t, Options{Dir: "a", FS: fs})
	s.Rows().Set([]byte("k"), []byte("v"))
	commit(t, s, Progress{})
	if err := s.Checkpoint(t.Context(), "copy"); err != nil {
		t.Fatal(err)
	}
	meta, want := s.Meta(), contentHash(t, s)
	s.Rows().Set([]byte("k"), []byte("later"))
	commit(t, s, Progress{})
	c := mustOpen(t, Options{Dir: "copy", FS: fs})
	if got := contentHash(t, c); got != want || c.Meta() != meta {
		t.Errorf("checkpoint has content %s at %+v instead of %s at %+v", got, c.Meta(), want, meta)
	}
	if err := s.Checkpoint(t.Context(), "copy"); err == nil {
		t.Error("made over another one")
	}
}

// One directory, one owner.
func TestSecondOwnerIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shard-0")
	mustOpen(t, Options{Dir: dir})
	if s, err := Open(Options{Dir: dir}); err == nil {
		s.Close()
		t.Error("opened twice")
	}
}

// I6: when the disk fails in the background the state says so once, nothing
// waits for it for ever, and nothing goes on.
func TestFatal(t *testing.T) {
	for _, file := range []string{"*.sst", "MANIFEST-*"} {
		t.Run(file, func(t *testing.T) {
			broken := errorfs.InjectorFunc(func(op errorfs.Op) error {
				if match, _ := filepath.Match(file, filepath.Base(op.Path)); match && op.Kind == errorfs.OpFileWrite {
					return errors.New("no space left")
				}
				return nil
			})
			toggle := &errorfs.Toggle{Injector: broken}
			defer toggle.Off() // or Pebble goes on trying
			told := make(chan error, 2)
			s, err := Open(Options{Dir: "a", FS: errorfs.Wrap(vfs.NewMem(), toggle), OnFatal: func(err error) { told <- err }})
			if err != nil {
				t.Fatal(err)
			}
			s.Rows().Set([]byte("k"), []byte("v"))
			commit(t, s, Progress{})
			toggle.On()
			if err := s.Flush(t.Context()); err == nil || !strings.Contains(err.Error(), "no space left") {
				t.Errorf("flushed: %v", err)
			}
			<-s.Fatal()
			if err := <-told; !errors.Is(err, s.Err()) || len(told) > 0 {
				t.Errorf("told %v, it is %v", err, s.Err())
			}
			s.Rows().Set([]byte("k"), []byte("w"))
			if _, err := s.Rows().Seal(Progress{}); err == nil {
				t.Error("sealed")
			}
			if _, ok := s.Rows().Get([]byte("other")); ok || s.Rows().Err() == nil {
				t.Error("read")
			}
			if _, err := s.Snapshot(); err == nil {
				t.Error("snapshot taken")
			}
			s.Rows().Abort()
			if s.Rows().Err() == nil {
				t.Error("abort made it whole again")
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// I6: a row that can't be read is absent, and the batch isn't sealed.
func TestReadError(t *testing.T) {
	broken := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileReadAt {
			return errors.New("bad sector")
		}
		return nil
	})
	toggle := &errorfs.Toggle{Injector: broken}
	fs := errorfs.Wrap(vfs.NewMem(), toggle)
	o := Options{Dir: "a", FS: fs}
	s := mustOpen(t, o)
	for i := range byte(100) {
		s.Rows().Set([]byte{0x20, i}, bytes.Repeat([]byte{i}, 1000))
	}
	commit(t, s, Progress{})
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, o) // with nothing in its cache
	snap, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	toggle.On()
	for name, read := range map[string]func() error{
		"get": func() error { s.Rows().Get([]byte{0x20, 50}); return s.Rows().Err() },
		"scan": func() error {
			s.Rows().Scan([]byte{0x20, 70}, nil)(func(_, _ []byte) bool { return true })
			return s.Rows().Err()
		},
		"snapshot": func() error {
			snap.Get([]byte{0x20, 90})
			return snap.Err()
		},
	} {
		if err := read(); err == nil || !strings.Contains(err.Error(), "bad sector") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.Rows().Seal(Progress{}); err == nil && name != "snapshot" {
			t.Errorf("%s: sealed", name)
		}
		s.Rows().Abort()
	}
	toggle.Off()
	if snap.Close() == nil {
		t.Error("a snapshot that failed closes as if nothing were")
	}
	if s.Err() != nil {
		return // Pebble itself has read in the meantime, for its statistics
	}
	if v, ok := s.Rows().Get([]byte{0x20, 50}); !ok || len(v) != 1000 || s.Rows().Err() != nil {
		t.Errorf("read again: %d bytes, %v", len(v), s.Rows().Err())
	}
}

func TestSealBounds(t *testing.T) {
	s := mustOpen(t, Options{Dir: "a", FS: vfs.NewMem()})
	r := s.Rows()
	for range MaxSealed {
		if _, err := r.Seal(Progress{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Seal(Progress{}); !errors.Is(err, ErrTooManySealed) {
		t.Errorf("sealed one more: %v", err)
	}
	r.Abort()
	if _, err := r.Seal(Progress{}); err != nil {
		t.Error(err)
	}
}

// Scans within scans, and reads within scans, don't disturb each other.
func TestScanWithinScan(t *testing.T) {
	s := mustOpen(t, Options{Dir: "a", FS: vfs.NewMem()})
	r := s.Rows()
	for i := range byte(6) {
		r.Set([]byte{0x20, i}, []byte{i})
		if i == 2 {
			commit(t, s, Progress{})
		}
	}
	var got []byte
	for k := range r.Scan(nil, nil) {
		if k[0] != 0x20 {
			continue
		}
		for k2, v2 := range r.ScanBack(nil, k) {
			if k2[0] == 0x20 {
				got = append(got, v2...)
			}
			r.Get(k2)
		}
		got = append(got, k[1], '|')
	}
	if want := "\x00|\x00\x01|\x01\x00\x02|\x02\x01\x00\x03|\x03\x02\x01\x00\x04|\x04\x03\x02\x01\x00\x05|"; string(got) != want {
		t.Errorf("%q instead of %q", got, want)
	}
}

// Many snapshots at a time, each behind one whole batch, while batches are
// applied.
func TestSnapshotsAreWhole(t *testing.T) {
	s := mustOpen(t, Options{Dir: "a", FS: vfs.NewMem(), memTableBytes: 256 << 10})
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				snap, err := s.Snapshot()
				if err != nil {
					t.Error(err)
					return
				}
				rows := 0
				for k, v := range snap.Scan([]byte{0x20}, nil) {
					if rows++; binary.BigEndian.Uint64(v) != uint64(snap.Meta().Seq) {
						t.Errorf("row %x of batch %d in a snapshot behind %d", k, v, snap.Meta().Seq)
					}
				}
				if rows != 0 && rows != 100 {
					t.Errorf("%d rows", rows)
				}
				if err := snap.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 300 {
		for j := range byte(100) {
			s.Rows().Set([]byte{0x20, j}, binary.BigEndian.AppendUint64(nil, uint64(i+1)))
		}
		commit(t, s, Progress{})
	}
	stop()
	readers.Wait()
}

func TestRowsPanicOnForeignKeys(t *testing.T) {
	s := mustOpen(t, Options{Dir: "a", FS: vfs.NewMem()})
	for _, key := range [][]byte{nil, {1}, {2, 3}} {
		for name, write := range map[string]func(){
			"set":          func() { s.Rows().Set(key, nil) },
			"delete":       func() { s.Rows().Delete(key) },
			"delete range": func() { s.Rows().DeleteRange(key, []byte("z")) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s %x", name, key)
					}
				}()
				write()
			}()
		}
	}
}

func TestMetrics(t *testing.T) {
	m := NewMetrics()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m)
	shared := NewShared(1<<20, 16)
	defer shared.Close()
	fs := vfs.NewMem()
	a, b := mustOpen(t, Options{Dir: "a", FS: fs, Shared: shared}), mustOpen(t, Options{Dir: "b", FS: fs, Shared: shared})
	m.Add(a)
	m.Add(b)
	commit(t, a, Progress{})
	commit(t, a, Progress{})
	commit(t, b, Progress{})
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.Remove(b)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		got[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue()
	}
	if len(got) != len(allDescs) {
		t.Errorf("%d metrics of %d", len(got), len(allDescs))
	}
	for name, want := range map[string]float64{"stores": 1, "batches_applied_total": 3, "flushes_total": 1} {
		if got["highwater_state_"+name] != want {
			t.Errorf("%s is %v instead of %v", name, got["highwater_state_"+name], want)
		}
	}
}

// What a shard does for every event takes no memory of its own once its
// overlays have grown.
func TestRowsDontAllocate(t *testing.T) {
	s := mustOpen(t, Options{Dir: "a", FS: vfs.NewMem()})
	w, r := newWorkload(), s.Rows()
	cycle := func() {
		for range 1000 {
			w.next()
			if _, ok := r.Get(w.identity[:]); ok {
				t.Fatal("known")
			}
			r.Set(w.identity[:], w.reference[:])
			r.Set(w.event[:], w.eventRow[:])
			r.Set(w.due[:], nil)
			if _, ok := r.Get(w.event[:]); !ok {
				t.Fatal("lost")
			}
		}
		commit(t, s, Progress{})
	}
	for range 3 {
		cycle()
	}
	// The rest is Pebble's and the copy of the batch that commit makes.
	if n := testing.AllocsPerRun(20, cycle); n > 200 {
		t.Errorf("%v allocations for 1000 events", n)
	}
}
