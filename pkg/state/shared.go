package state

import (
	"runtime"

	"github.com/cockroachdb/pebble/v2"
)

// Shared is what all states of a process have in common: the cache of blocks,
// that of open files, and how many fill their filters at a time. Close it after
// the last of them.
type Shared struct {
	cache *pebble.Cache
	files *pebble.FileCache
	// fillers bounds how many states fill their filters beside their work: half
	// of the cores go on with that.
	fillers chan struct{}
	// groups bounds how many states apply batches in groups at a time: each has
	// up to some 100 MiB of them in memory meanwhile.
	groups chan struct{}
}

// Defaults of a Shared.
const (
	DefaultCacheBytes = 256 << 20
	DefaultOpenFiles  = 4096

	groupsAtOnce = 4
)

// NewShared makes caches of so many bytes and files; 0 is the default.
// Memtables take their place in the block cache too, so it should have some
// 32 MiB for each busy shard.
func NewShared(cacheBytes int64, openFiles int) *Shared {
	if cacheBytes == 0 {
		cacheBytes = DefaultCacheBytes
	}
	if openFiles == 0 {
		openFiles = DefaultOpenFiles
	}
	return &Shared{
		cache: pebble.NewCache(cacheBytes),
		files: pebble.NewFileCache(runtime.GOMAXPROCS(0), openFiles),

		fillers: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		groups:  make(chan struct{}, groupsAtOnce),
	}
}

// Close gives the caches back.
func (s *Shared) Close() {
	s.files.Unref()
	s.cache.Unref()
}
