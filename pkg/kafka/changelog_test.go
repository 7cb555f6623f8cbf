package kafka

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func sample(batch []byte) ChangelogRecord {
	return ChangelogRecord{
		Shard: 3, Seq: 7, PrevHash: sha256.Sum256([]byte("before")), BatchHash: sha256.Sum256(batch),
		Positions: Positions{1, 2, 3, 4, 5}, Watermark: 1_000_000, ProcessedAt: 2_000_000, Events: 9, Chunks: 1, Batch: batch,
	}
}

// The released layout never changes.
func TestChangelogGolden(t *testing.T) {
	r := sample([]byte("batch"))
	got := AppendChangelogRecord(nil, &r)
	want := "4857434c01000000" + // HWCL, version, reserved
		"00000003" + "0000000000000007" + // shard, seq
		hex.EncodeToString(r.PrevHash[:]) + hex.EncodeToString(r.BatchHash[:]) +
		"0000000000000001" + "0000000000000002" + "0000000000000003" + "0000000000000004" + "0000000000000005" +
		"00000000000f4240" + "00000000001e8480" + // watermark, processed at
		"00000009" + "00000000" + "00000001" + // events, chunk, chunks
		hex.EncodeToString([]byte("batch"))
	if hex.EncodeToString(got) != want {
		t.Fatalf("got  %x\nwant %s", got, want)
	}
	if len(got) != ChangelogHeaderBytes+5 {
		t.Fatalf("header of %d bytes", len(got)-5)
	}
	back, err := DecodeChangelogRecord(got)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(back.Batch, r.Batch) {
		t.Fatalf("batch %q", back.Batch)
	}
	back.Batch, r.Batch = nil, nil
	if back.Seq != r.Seq || back.Positions != r.Positions || back.PrevHash != r.PrevHash || back.Watermark != r.Watermark ||
		back.ProcessedAt != r.ProcessedAt || back.Events != r.Events || back.Shard != r.Shard {
		t.Fatalf("got %+v, want %+v", back, r)
	}
}

func TestChangelogRefusesDamage(t *testing.T) {
	r := sample([]byte("batch"))
	good := AppendChangelogRecord(nil, &r)
	change := func(at int, b byte) []byte { c := bytes.Clone(good); c[at] = b; return c }
	for name, value := range map[string][]byte{
		"empty": nil, "magic": change(0, 'X'), "version": change(4, 2), "reserved": change(6, 1), "short": good[:151],
		"negative seq": change(12, 0xff), "no chunks": change(151, 0), "negative position": change(84, 0x80),
		"chunk beyond the last": change(147, 1), "more chunks than are allowed": change(149, 1),
	} {
		if _, err := DecodeChangelogRecord(value); !errors.Is(err, ErrChangelogFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// I3.
func TestAssemblerJoinsChunks(t *testing.T) {
	for _, size := range []int{0, 1, ChunkBytes, ChunkBytes + 1, 3*ChunkBytes + 5} {
		batch := bytes.Repeat([]byte{1, 2, 3}, size/3+1)[:size]
		whole := sample(batch)
		var a Assembler
		for round := range 2 { // an assembler is used again and again
			for chunk := range ChunkCount(size) {
				r, err := DecodeChangelogRecord(AppendChangelogChunk(nil, &whole, chunk))
				if err != nil {
					t.Fatal(err)
				}
				done, err := a.Add(&r)
				if err != nil || done != (chunk == ChunkCount(size)-1) {
					t.Fatalf("round %d, %d bytes, chunk %d: done %v, %v", round, size, chunk, done, err)
				}
				if done && (!bytes.Equal(r.Batch, batch) || r.Chunks != 1) {
					t.Fatalf("%d bytes became %d", size, len(r.Batch))
				}
			}
		}
	}
}

func TestAssemblerRefusesBrokenRuns(t *testing.T) {
	whole := sample(bytes.Repeat([]byte{7}, 2*ChunkBytes+1))
	chunk := func(n int32) *ChangelogRecord {
		r, err := DecodeChangelogRecord(AppendChangelogChunk(nil, &whole, n))
		if err != nil {
			t.Fatal(err)
		}
		return &r
	}
	lonely := sample([]byte("x"))
	damaged := chunk(2)
	damaged.Batch = []byte{8}
	for name, run := range map[string][]*ChangelogRecord{
		"begins in the middle": {chunk(1)},
		"one is missing":       {chunk(0), chunk(2)},
		"one is there twice":   {chunk(0), chunk(0)},
		"never ends":           {chunk(0), &lonely},
		"damaged":              {chunk(0), chunk(1), damaged},
	} {
		var a Assembler
		var err error
		for _, r := range run {
			if _, err = a.Add(r); err != nil {
				break
			}
		}
		if !errors.Is(err, ErrChangelogFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeChangelogRecord(f *testing.F) {
	r := sample([]byte("batch"))
	f.Add(AppendChangelogRecord(nil, &r))
	f.Fuzz(func(t *testing.T, value []byte) {
		r, err := DecodeChangelogRecord(value)
		if err != nil {
			return
		}
		if back := AppendChangelogRecord(nil, &r); !bytes.Equal(back, value) {
			t.Fatalf("decoding and encoding %x gives %x", value, back)
		}
	})
}

func TestChainHashDependsOnBoth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) [32]byte {
			return sha256.Sum256(rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(t, label))
		}
		a, b, c := draw("a"), draw("b"), draw("c")
		if (ChainHash(a, b) == ChainHash(a, c)) != (b == c) || (ChainHash(a, c) == ChainHash(b, c)) != (a == b) {
			t.Fatal("two chains meet")
		}
	})
}
