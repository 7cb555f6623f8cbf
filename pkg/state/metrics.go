package state

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the sums over all open states of a process, so that their number
// doesn't grow with that of shards. Register it once; Add and Remove states as
// they come and go.
type Metrics struct {
	mu     sync.Mutex
	stores map[*Store]bool
	// gone is what removed states had counted.
	gone counts
}

// counts are what only grows.
type counts struct {
	batches, stalls, flushes, compactions, compactedBytes float64
}

func (c *counts) add(o counts) {
	c.batches += o.batches
	c.stalls += o.stalls
	c.flushes += o.flushes
	c.compactions += o.compactions
	c.compactedBytes += o.compactedBytes
}

func describe(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("highwater_state_"+name, help, nil, nil)
}

var (
	storesDesc         = describe("stores", "States that are open.")
	diskBytesDesc      = describe("disk_bytes", "What states take on the disk.")
	memtableBytesDesc  = describe("memtable_bytes", "Rows in memory that are not flushed.")
	filterBytesDesc    = describe("filter_bytes", "Filters of identities in memory.")
	cacheBytesDesc     = describe("block_cache_bytes", "Blocks in the shared cache.")
	debtBytesDesc      = describe("compaction_debt_bytes", "What compaction is behind by.")
	filesDesc          = describe("files", "Tables on the disk.")
	batchesDesc        = describe("batches_applied_total", "Batches applied, own ones and the changelog's.")
	stallsDesc         = describe("write_stalls_total", "Times that writing waited for the disk.")
	flushesDesc        = describe("flushes_total", "Memtables written to the disk.")
	compactionsDesc    = describe("compactions_total", "Compactions done.")
	compactedBytesDesc = describe("compacted_bytes_total", "Bytes written by compactions.")
	allDescs           = []*prometheus.Desc{
		storesDesc, diskBytesDesc, memtableBytesDesc, filterBytesDesc, cacheBytesDesc, debtBytesDesc, filesDesc,
		batchesDesc, stallsDesc, flushesDesc, compactionsDesc, compactedBytesDesc,
	}
)

// NewMetrics are those of no state yet.
func NewMetrics() *Metrics { return &Metrics{stores: map[*Store]bool{}} }

// Add counts a state from now on.
func (m *Metrics) Add(s *Store) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stores[s] = true
}

// Remove takes a state out. REQUIRES: it is still open.
func (m *Metrics) Remove(s *Store) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.stores[s] {
		return
	}
	delete(m.stores, s)
	if s.Err() == nil {
		m.gone.add(countsOf(s, s.db.Metrics()))
	}
}

func countsOf(s *Store, p *pebble.Metrics) counts {
	c := counts{
		batches:     float64(s.applied.Load()),
		stalls:      float64(s.stalls.Load()),
		flushes:     float64(p.Flush.Count),
		compactions: float64(p.Compact.Count),
	}
	for _, level := range p.Levels {
		c.compactedBytes += float64(level.TableBytesCompacted)
	}
	return c
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range allDescs {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	total := m.gone
	var disk, memtable, filter, debt, files, cache float64
	for s := range m.stores {
		if s.Err() != nil {
			continue // I6
		}
		p := s.db.Metrics()
		total.add(countsOf(s, p))
		disk += float64(p.DiskSpaceUsage())
		memtable += float64(p.MemTable.Size)
		filter += float64(s.filtered.Load())
		debt += float64(p.Compact.EstimatedDebt)
		for _, level := range p.Levels {
			files += float64(level.TablesCount)
		}
		cache = max(cache, float64(p.BlockCache.Size)) // it is shared
	}
	gauge := func(d *prometheus.Desc, v float64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	counter := func(d *prometheus.Desc, v float64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v)
	}
	gauge(storesDesc, float64(len(m.stores)))
	gauge(diskBytesDesc, disk)
	gauge(memtableBytesDesc, memtable)
	gauge(filterBytesDesc, filter)
	gauge(cacheBytesDesc, cache)
	gauge(debtBytesDesc, debt)
	gauge(filesDesc, files)
	counter(batchesDesc, total.batches)
	counter(stallsDesc, total.stalls)
	counter(flushesDesc, total.flushes)
	counter(compactionsDesc, total.compactions)
	counter(compactedBytesDesc, total.compactedBytes)
}

// DiskBytes is what the state takes on the disk.
func (s *Store) DiskBytes() uint64 {
	if s.Err() != nil {
		return 0
	}
	return s.db.Metrics().DiskSpaceUsage()
}
