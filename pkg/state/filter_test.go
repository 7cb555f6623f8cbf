package state

import (
	"crypto/sha256"
	"fmt"
	"hash/maphash"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// I5: of what was added nothing is absent, over any number of generations; of
// what was not, few are maybes.
func TestFilter(t *testing.T) {
	for _, n := range []int{0, 1, minGeneration, minGeneration + 1, 300_000} {
		f, w := newFilter(0), newWorkload()
		var known [][]byte
		for range n {
			w.next()
			known = append(known, append([]byte(nil), w.identity[:]...))
			f.add(hashIdentity(w.identity[:]))
		}
		for _, key := range known {
			if !f.maybe(hashIdentity(key)) {
				t.Fatalf("%d identities: %x is absent", n, key)
			}
		}
		wrong := 0
		for range 100_000 {
			w.next()
			if f.maybe(hashIdentity(w.identity[:])) {
				wrong++
			}
		}
		if wrong > 4000 {
			t.Errorf("%d identities: %d of 100000 absent ones are maybes", n, wrong)
		}
		if n == 300_000 && f.size()*8/n > 40 {
			t.Errorf("%d bits an identity", f.size()*8/n)
		}
	}
}

// I5 after a restart, for every prefix and number of rows.
func TestFilterRebuilt(t *testing.T) {
	for _, prefix := range []byte{DefaultIdentityPrefix, 0xff} {
		for _, n := range []int{1, 50_000} {
			t.Run(fmt.Sprintf("%x/%d", prefix, n), func(t *testing.T) {
				o := Options{Dir: "a", FS: vfs.NewMem(), IdentityPrefix: prefix}
				s := mustOpen(t, o)
				w := newWorkload()
				var known [][]byte
				for range n {
					w.next()
					w.identity[0] = prefix
					known = append(known, append([]byte(nil), w.identity[:]...))
					s.Rows().Set(w.identity[:], w.reference[:])
				}
				s.Rows().Set([]byte{prefix, 1, 2}, nil) // no identity
				commit(t, s, Progress{})
				if err := s.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				s = reopen(t, s, o)
				if got := s.Meta().Identities; got != uint64(n)+1 {
					t.Errorf("%d identity rows counted of %d", got, n+1)
				}
				if room := s.filter.generations[0].room; room != max(minGeneration, (n+1)*3/2)-n {
					t.Errorf("room for %d more after %d", room, n)
				}
				for _, key := range known {
					if !s.filter.maybe(hashIdentity(key)) {
						t.Fatalf("%x is absent", key)
					}
				}
			})
		}
	}
}

// I5 while the filter is filled beside the work: what was there before and what
// came since is found, before it is filled and after it; from then on the filter
// tells what is absent.
func TestFilterFilledBesideTheWork(t *testing.T) {
	shared := NewShared(ownCacheBytes, ownOpenFiles)
	defer shared.Close()
	o := Options{Dir: "a", FS: vfs.NewMem(), Shared: shared, Sparse: []byte{0x33}, filledAtOnce: 1}
	s, w := mustOpen(t, o), newWorkload()
	var there [][]byte
	write := func() {
		for i := range 1000 {
			w.next()
			there = append(there, append([]byte(nil), w.identity[:]...), fmt.Appendf(nil, "\x33row-%d", len(there)+i))
		}
		for _, key := range there[len(there)-2000:] {
			s.Rows().Set(key, w.reference[:])
		}
		commit(t, s, Progress{})
	}
	find := func(when string) {
		t.Helper()
		for _, key := range there {
			if _, ok := s.Rows().Get(key); !ok {
				t.Fatalf("%s: %x isn't there", when, key)
			}
		}
		for range 100 {
			w.next()
			if _, ok := s.Rows().Get(w.identity[:]); ok {
				t.Fatalf("%s: %x is there", when, w.identity)
			}
		}
	}
	write()
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range cap(shared.fillers) {
		shared.fillers <- struct{}{} // nobody fills
	}
	s = reopen(t, s, o)
	write()
	if s.filling == nil {
		t.Fatal("it was filled at once")
	}
	find("not filled")
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, o) // the filling that waited is stopped
	for range cap(shared.fillers) {
		<-shared.fillers
	}
	older := <-s.filling.done
	if older == nil {
		t.Fatal("it wasn't filled")
	}
	s.filling.done = make(chan *filter, 1)
	s.filling.done <- older
	if write(); s.filling != nil {
		t.Fatal("what was filled isn't taken over")
	}
	find("filled")
	absent := 0
	for range 1000 {
		if w.next(); s.isAbsent(w.identity[:], 0) {
			absent++
		}
	}
	if absent < 900 {
		t.Errorf("of 1000 absent rows the filter says so of %d", absent)
	}
	write()
	find("afterwards")
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, o)
	if err := s.Close(); err != nil { // while it is filled
		t.Fatal(err)
	}
}

// I5 of sparse rows: what is there is found, whoever wrote it and also after a
// restart; to write one again takes no room in the filter.
func TestFilterOfSparseRows(t *testing.T) {
	key := func(i int) []byte { return fmt.Appendf(nil, "\x33row-%d", i) }
	o := Options{Dir: "a", FS: vfs.NewMem(), Sparse: []byte{0x33}}
	copied := mustOpen(t, Options{Dir: "b", FS: vfs.NewMem(), Sparse: o.Sparse})
	s := mustOpen(t, o)
	room := s.filter.generations[0].room
	const rows = 100
	for round := range 3 {
		for i := range rows {
			s.Rows().Set(key(i), key(round))
		}
		s.Rows().Set([]byte("\x34other"), nil)
		b, err := s.Rows().Seal(Progress{})
		if err != nil {
			t.Fatal(err)
		}
		if err := applyRecord(copied, b.Bytes(), sha256.Sum256(b.Bytes()), int64(round)); err != nil {
			t.Fatal(err)
		}
		if err := s.Rows().Apply(b, int64(round)); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.filter.generations[0].room; got < room-rows {
		t.Errorf("%d rows took room for %d", rows, room-got)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, o)
	for _, s := range []*Store{s, copied} {
		absent := 0
		for i := range 2 * rows {
			k, ok := s.known(key(i), maphash.Bytes(s.seed, key(i)))
			if !ok {
				t.Fatalf("the filter knows nothing of %q", key(i))
			}
			if _, there := s.Rows().Get(key(i)); there != (i < rows) {
				t.Fatalf("%q is there: %v", key(i), there)
			}
			if !s.filter.maybe(k) {
				absent++
			}
		}
		if absent < rows*9/10 {
			t.Errorf("of %d absent rows the filter says so of %d", rows, absent)
		}
	}
}
