package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// changelog is what a state writes, batch by batch.
type changelog struct {
	t       *testing.T
	store   *Store
	records []Record
}

func newChangelog(t *testing.T) *changelog {
	t.Helper()
	return &changelog{t: t, store: mustOpen(t, Options{Dir: "source", FS: vfs.NewMem()})}
}

// commit ends a batch.
func (c *changelog) commit() {
	c.t.Helper()
	b := commit(c.t, c.store, Progress{})
	c.records = append(c.records, Record{b, HashBatch(b), c.store.Meta().Offset})
}

// random adds a batch that changes some of 2,000 rows.
func (c *changelog) random(rng *rand.Rand, bytesOfRow int) {
	c.t.Helper()
	key := func(n int) []byte {
		prefix := []byte{DefaultIdentityPrefix, 0x20, 0x30}[n%3]
		return append([]byte{prefix}, fmt.Sprintf("%016d", n)...)
	}
	r := c.store.Rows()
	for range rng.IntN(100) {
		at := rng.IntN(2000)
		switch rng.IntN(20) {
		case 0, 1, 2:
			r.Delete(key(at))
		case 3:
			from, to := key(at), key(at+rng.IntN(300))
			r.DeleteRange(from, to)
		default:
			r.Set(key(at), bytes.Repeat([]byte{byte(rng.Uint32())}, rng.IntN(bytesOfRow)))
		}
	}
	c.commit()
}

// same checks that a state is behind all batches, as its source is.
func (c *changelog) same(s *Store) {
	c.t.Helper()
	if got, want := s.Meta(), c.store.Meta(); got != want {
		c.t.Errorf("state is at\n%+v, its source at\n%+v", got, want)
	}
	if got, want := contentHash(c.t, s), contentHash(c.t, c.store); got != want {
		c.t.Errorf("content %s instead of %s", got, want)
	}
}

// grouped are options of a state that applies as one whatever comes together.
func grouped(dir string, fs vfs.FS) Options {
	return Options{Dir: dir, FS: fs, Sparse: []byte{0x30}, memTableBytes: 256 << 10, groupBytes: 1 << 30}
}

// inGroups applies records, so many at a time as one.
func inGroups(t *testing.T, s *Store, records []Record, n func() int) {
	t.Helper()
	for len(records) > 0 {
		group := records[:min(n(), len(records))]
		s.groupBytes = len(group[0].Batch)
		for i := range group[1:] {
			s.groupBytes += len(group[i+1].Batch)
		}
		before := s.applying.Load()
		if applied, err := s.ApplyRecords(group); err != nil || applied != len(group) {
			t.Fatalf("%d of %d are applied: %v", applied, len(group), err)
		}
		if n := (s.applying.Load() - before) / 2; n != 1 {
			t.Fatalf("%d batches were applied as %d", len(group), n)
		}
		records = records[len(group):]
	}
}

// Batches have the same effect one by one and in groups of all sizes, whether
// or not Pebble makes a memtable of a group.
func TestGroups(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			log := newChangelog(t)
			rowBytes := []int{1, 20, 2000}[seed%3]
			for range 60 {
				log.random(rng, rowBytes)
			}
			s := mustOpen(t, grouped("a", vfs.NewMem()))
			most := 1 + rng.IntN(20)
			inGroups(t, s, log.records, func() int { return 1 + rng.IntN(most) })
			log.same(s)
			// I5, and what else is written once behind a group.
			for key := range log.store.Rows().Scan(nil, nil) {
				if s.isAbsent(key, maphash.Bytes(s.seed, key)) {
					t.Fatalf("the filter doesn't know row %x", key)
				}
			}
			whole := mustOpen(t, grouped("b", vfs.NewMem()))
			inGroups(t, whole, log.records, func() int { return len(log.records) })
			log.same(whole)
		})
	}
}

// A deleted range takes what was set before it, in its group and in the state,
// and nothing that comes with it or later.
func TestRangesInGroups(t *testing.T) {
	for name, batches := range map[string][]string{
		"before":          {"+b", "-a-c"},
		"in one batch":    {"+b", "-a-c +b"},
		"after":           {"-a-c", "+b"},
		"between":         {"+b +d", "-a-c", "+a"},
		"deleted row":     {"+b", "-b", "-a-c", "+a"},
		"nested":          {"+c +e", "-a-z", "+c +d", "-c-d", "+b"},
		"one in another":  {"+d", "-c-e", "+d", "-a-z", "+y"},
		"later is first":  {"+b +d", "-c-e", "+d", "-a-c", "+b"},
		"side by side":    {"+a +b +c +d", "-a-b", "+a", "-b-c", "+b", "-c-d"},
		"ends at the row": {"+c", "-a-c", "+b"},
		"begins at it":    {"+c", "-c-e", "+b"},
		"twice":           {"+b", "-a-c", "+b", "-a-c"},
		"newer is open":   {"+b +d", "-a-e", "+b +d", "-a-c"},
	} {
		t.Run(name, func(t *testing.T) {
			log := newChangelog(t)
			rows := log.store.Rows()
			for _, c := range "abcdexyz" {
				rows.Set([]byte(string(c)), []byte("old"))
			}
			log.commit()
			for i, batch := range batches {
				for op := range strings.FieldsSeq(batch) {
					switch {
					case op[0] == '+':
						rows.Set([]byte(op[1:]), []byte{byte(i)})
					case len(op) > 2:
						rows.DeleteRange([]byte(op[1:2]), []byte(op[3:]))
					default:
						rows.Delete([]byte(op[1:]))
					}
				}
				log.commit()
			}
			whole, rest := mustOpen(t, grouped("a", vfs.NewMem())), mustOpen(t, grouped("b", vfs.NewMem()))
			inGroups(t, whole, log.records, func() int { return len(log.records) })
			log.same(whole)
			inGroups(t, rest, log.records[:1], func() int { return 1 })
			inGroups(t, rest, log.records[1:], func() int { return len(batches) })
			log.same(rest)
		})
	}
}

// A batch that is refused changes nothing, wherever it is in its group; those
// before it are applied, and the right one can follow.
func TestGroupRefused(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(*Record)
		want   error
	}{
		"operation": {func(r *Record) { r.Batch = append(bytes.Clone(r.Batch), 0xff) }, ErrBatch},
		"foreign":   {func(r *Record) { r.Batch[4+1+2+1+4]++ }, ErrChain},
		"newer":     {func(r *Record) { r.Batch[4+1+2+1]++ }, ErrFormat},
		"seq":       {func(r *Record) { r.Batch[4+1+2+1+12]++ }, ErrChain},
		"hash":      {func(r *Record) { r.Batch[4+1+2+1+13]++ }, ErrChain},
		"offset":    {func(r *Record) { r.Offset = NoOffset }, ErrChain},
	} {
		for at := range 5 {
			t.Run(fmt.Sprintf("%s/%d", name, at), func(t *testing.T) {
				log := newChangelog(t)
				rng := rand.New(rand.NewPCG(1, 3))
				for range 5 {
					log.random(rng, 20)
				}
				s, expected := mustOpen(t, grouped("a", vfs.NewMem())), mustOpen(t, grouped("b", vfs.NewMem()))
				records := slices.Clone(log.records)
				records[at].Batch = bytes.Clone(records[at].Batch)
				c.damage(&records[at])
				for _, r := range log.records[:at] {
					if err := applyRecord(expected, r.Batch, r.Hash, r.Offset); err != nil {
						t.Fatal(err)
					}
				}
				s.groupBytes = 1000 // of some 5,000
				applied, err := s.ApplyRecords(records)
				if applied != at || !errors.Is(err, c.want) {
					t.Errorf("%d are applied: %v", applied, err)
				}
				if s.Meta() != expected.Meta() || contentHash(t, s) != contentHash(t, expected) {
					t.Errorf("state is at\n%+v instead of\n%+v", s.Meta(), expected.Meta())
				}
				inGroups(t, s, log.records[at:], func() int { return 5 })
				log.same(s)
			})
		}
	}
}

// What isn't enough for a group is applied batch by batch; nothing is left over
// behind one.
func TestGroupBytes(t *testing.T) {
	log := newChangelog(t)
	for range 12 {
		log.store.Rows().Set([]byte("k"), make([]byte, 1000))
		log.commit()
	}
	one := len(log.records[0].Batch)
	for _, c := range []struct{ records, group, want int }{
		{1, 1, 1}, {4, 5 * one, 4}, {4, 4 * one, 1}, {5, 4 * one, 1}, {7, 4 * one, 1},
		{8, 4 * one, 2}, {12, 4 * one, 3}, {11, 4 * one, 2}, {12, one, 12}, {12, one + 1, 6}, {12, 100 * one, 12},
	} {
		o := grouped("a", vfs.NewMem())
		o.groupBytes = c.group
		s := mustOpen(t, o)
		if applied, err := s.ApplyRecords(log.records[:c.records]); applied != c.records || err != nil {
			t.Fatalf("%+v: %d are applied: %v", c, applied, err)
		}
		if n := int(s.applying.Load() / 2); n != c.want {
			t.Errorf("%+v: they are applied as %d", c, n)
		}
		if n := s.applied.Load(); n != uint64(c.records) {
			t.Errorf("%+v: %d are counted", c, n)
		}
	}
}

// I1: a crash leaves the state behind a group, and with it behind a batch.
func TestCrashBehindGroups(t *testing.T) {
	behind := 0
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 4))
			log := newChangelog(t)
			contents := []Hash{contentHash(t, log.store)}
			for range 100 {
				log.random(rng, 500)
				contents = append(contents, contentHash(t, log.store))
			}
			fs := vfs.NewCrashableMem()
			s := mustOpen(t, grouped("a", fs))
			ends := map[int64]bool{0: true}
			for left := log.records; len(left) > 0; {
				n := min(1+rng.IntN(30), len(left))
				inGroups(t, s, left[:n], func() int { return n })
				left = left[n:]
				ends[s.Meta().Seq] = true
				crashed := mustOpen(t, grouped("a", fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})))
				seq := crashed.Meta().Seq
				if !ends[seq] || contentHash(t, crashed) != contents[seq] {
					t.Fatalf("after the crash the state is at %+v, groups end at %v", crashed.Meta(), ends)
				}
				if seq > 0 && seq < s.Meta().Seq {
					behind++
				}
				inGroups(t, crashed, log.records[seq:], func() int { return 1 + rng.IntN(30) })
				log.same(crashed)
			}
			log.same(s)
		})
	}
	if behind == 0 {
		t.Error("none of the crashes left a state behind an earlier group")
	}
}

// What a group writes is each row once, in ascending order.
func TestMergedOnce(t *testing.T) {
	log := newChangelog(t)
	for i := range uint64(8) {
		for k := range uint64(100) {
			log.store.Rows().Set(binary.BigEndian.AppendUint64([]byte{0x20}, k*(1+i%2)), binary.BigEndian.AppendUint64(nil, i))
		}
		log.store.Rows().DeleteRange(binary.BigEndian.AppendUint64([]byte{0x30}, i), binary.BigEndian.AppendUint64([]byte{0x30}, i+1))
		log.commit()
	}
	meta := log.store.Meta()
	repr := merged(nil, log.records, &meta)
	ops := opReader{rest: repr[seqNumBytes+countBytes:]}
	var kinds []byte
	var last []byte
	rows := 0
	for ; len(ops.rest) > 0; rows++ {
		if err := ops.next(); err != nil {
			t.Fatal(err)
		}
		if rows < 4 {
			kinds = append(kinds, byte(ops.kind), ops.key[0])
		}
		if rows > 3 && bytes.Compare(last, ops.key) >= 0 {
			t.Fatalf("%x behind %x", ops.key, last)
		}
		last = ops.key
	}
	// The meta row, the mark, one range of eight, 100 rows and 50 of the others.
	if want := []byte{1, 1, 1, 2, 15, 0x30, 1, 0x20}; rows != 3+150 || !bytes.Equal(kinds, want) || binary.LittleEndian.Uint32(repr[seqNumBytes:]) != 153 {
		t.Errorf("%d operations, beginning with %v", rows, kinds)
	}
}

// No more states than memory is for apply in groups at a time; the others do so
// one by one, and whoever is done makes room.
func TestGroupsAtOnce(t *testing.T) {
	shared := NewShared(8<<20, 0)
	defer shared.Close()
	var stores []*Store
	for i := range groupsAtOnce + 1 {
		s, err := Open(Options{Dir: strconv.Itoa(i), FS: vfs.NewMem(), Shared: shared})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		stores = append(stores, s)
	}
	last := stores[groupsAtOnce]
	for range 2 { // to be asked twice changes nothing
		for i, s := range stores {
			if got, want := s.Group() > 0, i < groupsAtOnce; got != want {
				t.Errorf("state %d may apply in groups: %v", i, got)
			}
		}
	}
	if _, err := stores[1].ApplyRecords(nil); err != nil {
		t.Fatal(err)
	}
	if last.Group() != GroupBytes {
		t.Error("one is done, and the last one may not begin")
	}
	if err := stores[0].Close(); err != nil {
		t.Fatal(err)
	}
	if stores[1].Group() != GroupBytes {
		t.Error("one is closed, and another one may not begin again")
	}
}
