package state

import (
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options are what a Store is opened with. Dir and Shard are needed.
type Options struct {
	// Dir is the directory of this one state. A second process is refused.
	Dir string
	// Shard is whose state it is; the directory of another one is refused.
	Shard int32
	// FS is the file system; nil is the operating system's.
	FS vfs.FS
	// Shared are the caches; nil gives the state small ones of its own.
	Shared *Shared
	// Logger takes what goes wrong in the background; nil discards it.
	Logger *slog.Logger
	// OnFatal is called once when the state is lost for this process: a flush
	// or a compaction failed, or a file is damaged. What is on the disk and in
	// the changelog is right, so the process should end and begin again. It
	// must not block or call back. See also [Store.Err].
	OnFatal func(error)
	// IdentityPrefix is the first byte of the engine's identity rows; 0 is
	// DefaultIdentityPrefix.
	IdentityPrefix byte
	// Sparse are the first bytes of other rows that are asked for more often
	// than they are there; the filter knows them, too.
	Sparse []byte
	// NoFilter leaves out the filter in memory: for states that are only
	// read.
	NoFilter bool

	// memTableBytes is for tests that want many flushes, filledAtOnce for those
	// that want filters filled beside the work.
	memTableBytes, filledAtOnce uint64
	// groupBytes is for tests that want small groups.
	groupBytes int
}

// DefaultIdentityPrefix is the first byte of the engine's identity rows.
const DefaultIdentityPrefix = 0x11

const (
	// memTableBytes: the larger, the fewer times a row is written again. They
	// start at 256 KiB and double, so that a quiet shard has a small one.
	memTableBytes = 16 << 20
	// flushDelay is when a memtable with a deleted range is flushed at the
	// latest. Each read after a new range goes through all ranges of the
	// memtable; and a quiet shard's restart has less to read again.
	flushDelay = 10 * time.Minute
	// baseBytes is what the first level below level 0 may have: each compaction
	// of level 0 writes all of it again (docs/decisions/0006).
	baseBytes = 32 << 20
	// ownCacheBytes and ownOpenFiles are the caches of a state without Shared.
	ownCacheBytes = 8 << 20
	ownOpenFiles  = 256
	// formatVersion is set because the default is the oldest. Columns in
	// blocks, checksums in the footer.
	formatVersion = pebble.FormatTableFormatV6
)

func (o *Options) pebble(s *Store, shared *Shared) *pebble.Options {
	memTable := o.memTableBytes
	if memTable == 0 {
		memTable = memTableBytes
	}
	p := &pebble.Options{
		FS:                 o.FS,
		Cache:              shared.cache,
		FileCache:          shared.files,
		DisableWAL:         true, // the changelog is the log
		FormatMajorVersion: formatVersion,
		MemTableSize:       memTable,
		// One memtable being written and three waiting for a slow disk, then
		// writing stops.
		MemTableStopWritesThreshold: 4,
		// Keys are hashes: each compaction of level 0 writes all of the level
		// below again, so it should have much to bring. Reading through more
		// files costs little where filters stand before most of them.
		L0CompactionThreshold: 8,
		L0StopWritesThreshold: 32,
		LBaseMaxBytes:         baseBytes,
		MaxManifestFileSize:   16 << 20,
		FlushDelayDeleteRange: flushDelay,
		Logger:                logger{s},
		EventListener:         s.listener(),
	}
	p.CompactionConcurrencyRange = func() (int, int) { return 1, 2 }
	p.TargetFileSizes[0] = 4 << 20
	// Scans find what they look for by accounts that are spread all over;
	// compacting because somebody read costs more than it brings.
	p.Experimental.ReadSamplingMultiplier = -1
	// Orders that end leave deletions side by side. At the default of a tenth
	// they had files of all kinds of rows written again all the time.
	p.Experimental.TombstoneDenseCompactionThreshold = 0.5
	for i := range p.Levels {
		l := &p.Levels[i]
		l.BlockSize = 16 << 10
		l.IndexBlockSize = 64 << 10
		// The upper levels are written again soon.
		l.Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
		if i >= len(p.Levels)-2 {
			l.Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
		}
		// The last level has nine rows of ten, and who looks there mostly
		// finds: for identities that are absent there is the filter in memory.
		if i < len(p.Levels)-1 {
			l.FilterPolicy = bloom.FilterPolicy(10)
		}
	}
	return p
}
