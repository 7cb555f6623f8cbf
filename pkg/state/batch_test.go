package state

import (
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// I3: what readBatch lets through, Pebble reads the same way, to its end.
func FuzzReadBatch(f *testing.F) {
	s, err := Open(Options{Dir: "a", FS: vfs.NewMem()})
	if err != nil {
		f.Fatal(err)
	}
	defer s.Close()
	r := s.Rows()
	r.Set([]byte("key"), make([]byte, 200))
	r.Set([]byte("other"), nil)
	r.Delete([]byte("deleted"))
	r.DeleteRange([]byte("l"), []byte("m"))
	b, err := r.Seal(Progress{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:10])
	f.Add([]byte{1, 0, 0, 0, 1, 0xff})
	f.Fuzz(func(t *testing.T, batch []byte) {
		var m Meta
		if readBatch(batch, &m, func([]byte) {}) != nil {
			return
		}
		var p pebble.Batch
		if err := p.SetRepr(append(make([]byte, seqNumBytes), batch...)); err != nil {
			t.Fatal(err)
		}
		ops := opReader{rest: batch[countBytes:]}
		n := uint32(0)
		for reader := p.Reader(); ; n++ {
			kind, key, value, ok, err := reader.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if err := ops.next(); err != nil || ops.kind != kind || string(ops.key) != string(key) || string(ops.value) != string(value) {
				t.Fatalf("operation %d: kind %d key %x value %x, Pebble reads %d %x %x (%v)", n, ops.kind, ops.key, ops.value, kind, key, value, err)
			}
		}
		if n != p.Count() || len(ops.rest) != 0 {
			t.Fatalf("%d operations, Pebble counts %d, %d bytes are left", n, p.Count(), len(ops.rest))
		}
	})
}
