package state

import (
	"bytes"
	"hash/maphash"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"highwater/pkg/event"
)

// model is a state as a plain map, before and after everything under way.
type model struct {
	applied map[string]string
	sealed  []map[string]string
	current map[string]string
}

func (m *model) abort() {
	m.sealed = nil
	m.current = maps.Clone(m.applied)
}

// own drops the rows of this package from a scan.
func own(key []byte) bool { return key[0] < FirstShellKey }

// keys are few and alike: equal beginnings longer than a prefix, keys that are
// the beginning of others, zeros at the end, and identities.
var testKeys = func() [][]byte {
	var keys [][]byte
	for _, first := range []byte{0x03, 0x10, 0x12, 0xff} {
		for _, rest := range []string{"", "\x00", "a", "a\x00", "aaaaaaa", "aaaaaaab", "aaaaaaab\x00", "aaaaaaabcccccccc1", "aaaaaaabcccccccc2", "aaaaaaabcccccccc2\x00\x00", "\xff\xff"} {
			keys = append(keys, append([]byte{first}, rest...))
		}
	}
	for i := range byte(12) {
		id := append([]byte{DefaultIdentityPrefix}, bytes.Repeat([]byte{i * 21}, 16)...)
		keys = append(keys, id, id[:16])
	}
	return keys
}()

// I1, I2: whatever is sealed, applied, aborted, flushed, lost and read again,
// rows are those of a plain map.
func TestRowsAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := vfs.NewCrashableMem()
		open := func(fs vfs.FS) *Store {
			s, err := Open(Options{Dir: "state", FS: fs, memTableBytes: 256 << 10})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := open(fs)
		defer func() { s.Close() }()
		r := s.Rows()
		m := model{applied: map[string]string{}, current: map[string]string{}}
		var sealed []*Batch
		// log is the changelog: the bytes of what was applied, and what the
		// rows were after it.
		type logged struct {
			bytes []byte
			rows  map[string]string
		}
		var log []logged
		key := rapid.SampledFrom(testKeys)
		bounds := func() (from, to []byte) {
			from, to = key.Draw(t, "from"), key.Draw(t, "to")
			if bytes.Compare(from, to) > 0 && rapid.IntRange(0, 9).Draw(t, "swap") > 0 {
				from, to = to, from
			}
			return from, to
		}
		scan := func(r interface {
			Scan(_, _ []byte) iter.Seq2[[]byte, []byte]
			ScanBack(_, _ []byte) iter.Seq2[[]byte, []byte]
		}, rows map[string]string, from, to []byte) {
			t.Helper()
			var want []string
			for k := range rows {
				if k >= string(from) && (len(to) == 0 || k < string(to)) {
					want = append(want, k)
				}
			}
			slices.Sort(want)
			limit := rapid.IntRange(0, 40).Draw(t, "limit")
			check := func(name string, rows map[string]string, scan iter.Seq2[[]byte, []byte]) {
				var got []string
				for k, v := range scan {
					if own(k) {
						continue
					}
					if rows[string(k)] != string(v) {
						t.Fatalf("%s [%x, %x): %x is %q instead of %q", name, from, to, k, v, rows[string(k)])
					}
					if got = append(got, string(k)); len(got) == limit {
						break
					}
				}
				if limit > 0 && len(want) > limit {
					want = want[:limit]
				}
				if !slices.Equal(got, want) {
					t.Fatalf("%s [%x, %x) to %d:\n got %x\nwant %x", name, from, to, limit, got, want)
				}
			}
			all := slices.Clone(want)
			check("scan", rows, r.Scan(from, to))
			slices.Reverse(all)
			want = all
			check("scan back", rows, r.ScanBack(from, to))
		}
		apply := func() {
			b := sealed[0]
			log = append(log, logged{bytes.Clone(b.Bytes()), m.sealed[0]})
			if err := r.Apply(b, int64(10*len(log))); err != nil {
				t.Fatal(err)
			}
			m.applied, m.sealed, sealed = m.sealed[0], m.sealed[1:], sealed[1:]
		}
		reopened := func(at *Store) {
			s = at
			r = s.Rows()
			sealed = nil
			seq := s.Meta().Seq
			if seq > int64(len(log)) {
				t.Fatalf("seq %d of %d", seq, len(log))
			}
			m.applied = map[string]string{}
			if seq > 0 {
				m.applied = log[seq-1].rows
			}
			scan(r, m.applied, nil, nil)
			for i := seq; i < int64(len(log)); i++ {
				if err := applyRecord(s, log[i].bytes, HashBatch(log[i].bytes), 10*(i+1)); err != nil {
					t.Fatal(err)
				}
				m.applied = log[i].rows
			}
			m.abort()
		}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				for range rapid.IntRange(1, 8).Draw(t, "n") {
					k, v := key.Draw(t, "key"), rapid.StringN(0, 12, 24).Draw(t, "value")
					r.Set(k, []byte(v))
					m.current[string(k)] = v
				}
			},
			"delete": func(t *rapid.T) {
				k := key.Draw(t, "key")
				r.Delete(k)
				delete(m.current, string(k))
			},
			"delete range": func(t *rapid.T) {
				from, to := bounds()
				r.DeleteRange(from, to)
				maps.DeleteFunc(m.current, func(k, _ string) bool { return k >= string(from) && k < string(to) })
			},
			"get": func(t *rapid.T) {
				k := key.Draw(t, "key")
				got, ok := r.Get(k)
				if want, exists := m.current[string(k)]; ok != exists || string(got) != want {
					t.Fatalf("get %x: %q %v instead of %q %v", k, got, ok, want, exists)
				}
			},
			"scan": func(t *rapid.T) {
				from, to := bounds()
				scan(r, m.current, from, to)
			},
			"scan all": func(t *rapid.T) { scan(r, m.current, nil, nil) },
			"snapshot": func(t *rapid.T) {
				snap, err := s.Snapshot()
				if err != nil {
					t.Fatal(err)
				}
				defer snap.Close()
				from, to := bounds()
				scan(snap, m.applied, from, to)
				if snap.Meta() != s.Meta() {
					t.Fatalf("snapshot's meta %+v instead of %+v", snap.Meta(), s.Meta())
				}
			},
			"seal": func(t *rapid.T) {
				if len(sealed) == MaxSealed {
					t.Skip("enough")
				}
				p := Progress{Watermark: event.Time(len(log))}
				b, err := r.Seal(p)
				if err != nil {
					t.Fatal(err)
				}
				sealed = append(sealed, b)
				m.sealed = append(m.sealed, maps.Clone(m.current))
			},
			"apply": func(t *rapid.T) {
				if len(sealed) == 0 {
					t.Skip("nothing sealed")
				}
				apply()
			},
			"abort": func(t *rapid.T) {
				r.Abort()
				sealed = nil
				m.abort()
			},
			"flush": func(t *rapid.T) {
				if err := s.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			},
			"close and reopen": func(t *rapid.T) {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				reopened(open(fs))
			},
			"crash": func(t *rapid.T) {
				rng := rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "crash seed")))
				after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rapid.IntRange(0, 100).Draw(t, "unsynced"), RNG: rng})
				s.Close()
				fs = after
				reopened(open(fs))
			},
			"": func(t *rapid.T) {
				if err := r.Err(); err != nil {
					t.Fatal(err)
				}
			},
		})
		// A second state from the changelog alone is the same.
		other := open(vfs.NewMem())
		defer other.Close()
		for i, l := range log {
			if err := applyRecord(other, l.bytes, HashBatch(l.bytes), int64(10*(i+1))); err != nil {
				t.Fatal(err)
			}
		}
		if a, b := contentHash(t, s), contentHash(t, other); a != b {
			t.Fatalf("content hash %s, from the changelog alone %s", a, b)
		}
		if s.Meta() != other.Meta() {
			t.Fatalf("meta\n%+v, from the changelog alone\n%+v", s.Meta(), other.Meta())
		}
	})
}

func contentHash(t interface{ Fatal(...any) }, s *Store) Hash {
	h, err := s.ContentHash()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Orders by prefix, by what follows it, and by length, for few and many keys,
// are those of bytes.Compare.
func TestLayerOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{1, 5, 90, 300, 2000}).Draw(t, "n")
		alphabet := rapid.IntRange(1, 3).Draw(t, "alphabet")
		longest := rapid.IntRange(1, 30).Draw(t, "longest")
		every := rapid.SampledFrom([]int{3, 200, 1000, 1 << 30}).Draw(t, "scan every")
		rng := rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed")))
		l := newLayer(maphash.MakeSeed())
		for i := range n {
			k := make([]byte, 1+rng.IntN(longest))
			for j := range k {
				k[j] = byte(rng.IntN(alphabet + 1))
			}
			l.set(k, nil, uint64(i)<<32^rng.Uint64()) // hashes that don't find keys again
			if rng.IntN(every) == 0 {
				runs := l.within(nil, nil)
				if scanned := len(runs[0]) + len(runs[1]); scanned != i+1 {
					t.Fatalf("%d of %d keys", scanned, i+1)
				}
			}
		}
		items := l.sorted()
		if len(items) != n {
			t.Fatalf("%d of %d keys", len(items), n)
		}
		for i := 1; i < n; i++ {
			a, b := l.key(&l.entries[items[i-1].index]), l.key(&l.entries[items[i].index])
			if bytes.Compare(a, b) > 0 {
				t.Fatalf("%x before %x", a, b)
			}
		}
	})
}
