package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestRowCache compares it with a map: what is taken out is what was put in,
// what is dropped without standing on the disk is told once, and nothing else is
// lost.
func TestRowCache(t *testing.T) {
	const room, segment, keys = 4000, 500, 60
	draw := rand.New(rand.NewPCG(1, 2))
	c := newRowCache(segment)
	c.room = room
	type put struct {
		row    string
		stands bool
	}
	in := map[string]put{}
	var told map[string]string
	drop := func(key, row []byte) { told[string(key)] = string(row) }
	// settle takes from the map what the cache no longer has.
	settle := func(step int) {
		t.Helper()
		for key, p := range in {
			at, ok := c.at[c.hash([]byte(key))]
			if ok {
				if _, row, stands, _ := readCached(c.segments[at>>32-c.first], int(uint32(at))); string(row) != p.row || stands != p.stands {
					t.Fatalf("step %d: %s has %q, %v, not %q, %v", step, key, row, stands, p.row, p.stands)
				}
				continue
			}
			if row, ok := told[key]; ok == p.stands || ok && row != p.row {
				t.Fatalf("step %d: %s (stands %v, row %q) was dropped, told %v, %q", step, key, p.stands, p.row, ok, row)
			}
			delete(in, key)
			delete(told, key)
		}
		if len(told) > 0 || len(in) != len(c.at) {
			t.Fatalf("step %d: told of %v; %d rows, want %d", step, told, len(c.at), len(in))
		}
		live := 0
		for key, p := range in {
			live += entryBytes([]byte(key), []byte(p.row))
		}
		if c.live != live {
			t.Fatalf("step %d: %d bytes live, want %d", step, c.live, live)
		}
		if c.bytes() > c.room+keys*atBytes {
			t.Fatalf("step %d: %d bytes where %d are allowed", step, c.bytes(), c.room)
		}
	}
	dropped, taken := 0, 0
	for step := range 20_000 {
		told = map[string]string{}
		key := fmt.Sprintf("user-%d\x00credits", draw.IntN(keys))
		row, stands, ok := c.take([]byte(key))
		p, want := in[key]
		if ok != want || ok && (string(row) != p.row || stands != p.stands) {
			t.Fatalf("step %d: took %q, %v, %v of %s, want %+v, %v", step, row, stands, ok, key, p, want)
		}
		if ok {
			taken++
			delete(in, key)
		}
		if draw.IntN(3) > 0 {
			p := put{string(make([]byte, draw.IntN(segment/4))) + fmt.Sprint(step), draw.IntN(2) == 0}
			if !c.put([]byte(key), []byte(p.row), p.stands, drop) {
				t.Fatalf("step %d: %d bytes weren't put in", step, len(p.row))
			}
			in[key] = p
		}
		if draw.IntN(200) == 0 {
			c.shrink(draw.IntN(room), drop)
		}
		before := len(in)
		settle(step)
		dropped += before - len(in)
	}
	if dropped < 100 || taken < 100 {
		t.Errorf("%d dropped, %d taken: nothing was tried", dropped, taken)
	}
}

// What was taken out makes room for others before anything is dropped, and no
// more segments than twice what is in them.
func TestRowCacheCleans(t *testing.T) {
	const segment, rows = 1000, 20
	c := newRowCache(segment)
	c.room = 1 << 20
	key := func(i int) []byte { return fmt.Appendf(nil, "user-%04d", i) }
	row := make([]byte, 80)
	for i := range 10_000 {
		if i >= rows {
			if _, _, ok := c.take(key(i - rows)); !ok && (i-rows)%100 > 0 {
				t.Fatalf("row %d is gone", i-rows)
			}
		}
		if i%100 > 0 || i < rows { // some stay for ever
			c.put(key(i), row, false, func(key, _ []byte) { t.Fatalf("%s was dropped", key) })
		}
		if i%100 == 0 {
			c.put(fmt.Appendf(nil, "stays-%04d", i), row, false, func(key, _ []byte) { t.Fatalf("%s was dropped", key) })
		}
		if most := 2*c.live + 3*segment + len(c.at)*atBytes; c.bytes() > most {
			t.Fatalf("%d rows of %d bytes take %d", len(c.at), c.live, c.bytes())
		}
	}
	for i := range 100 {
		if _, _, ok := c.take(fmt.Appendf(nil, "stays-%04d", i*100)); !ok {
			t.Errorf("what stayed %d is gone", i)
		}
	}
	if len(c.at) != rows {
		t.Errorf("%d rows are left, want %d", len(c.at), rows)
	}
}

// A row that takes more than half a segment, or for which there is no room, isn't
// kept, and drops nothing.
func TestRowCacheRefuses(t *testing.T) {
	for _, c := range []struct{ room, segment, row int }{{0, 100, 1}, {100, 100, 1}, {1000, 100, 100}} {
		cache := newRowCache(c.segment)
		cache.room = c.room
		if cache.put([]byte("key"), make([]byte, c.row), false, nil) || cache.bytes() > 0 {
			t.Errorf("%+v: was kept, in %d bytes", c, cache.bytes())
		}
	}
}

// BenchmarkRowCache is one account that leaves memory and one that comes back.
func BenchmarkRowCache(b *testing.B) {
	c := newRowCache(segmentBytes)
	c.room = 64 << 20
	row := make([]byte, 120)
	var keys [1 << 16][]byte
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "user-%08d\x00credits", i)
	}
	for i := range b.N {
		c.put(keys[i%len(keys)], row, i%2 == 0, func(_, _ []byte) {})
		c.take(keys[i*7919%len(keys)])
	}
}
