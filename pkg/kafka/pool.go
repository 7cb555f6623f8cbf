package kafka

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// recordPool keeps the memory of fetched records for those to come: it is
// three times what is in them. Who takes a record gives it back with
// [kgo.Record.Recycle]; one that isn't given back is garbage, with its batch.
type recordPool struct {
	mu   sync.Mutex
	free [][]kgo.Record
}

// maxPooled bounds how many batches' memory is kept, maxPooledRecords how large
// one may be.
const (
	maxPooled        = 8
	maxPooledRecords = 1 << 13
)

// GetRecords gives memory for n records.
func (p *recordPool) GetRecords(n int) []kgo.Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.free) - 1; i >= 0; i-- {
		if cap(p.free[i]) >= n {
			records := p.free[i]
			last := len(p.free) - 1
			p.free[i], p.free[last] = p.free[last], nil
			p.free = p.free[:last]
			return records
		}
	}
	return make([]kgo.Record, 0, n)
}

// PutRecords takes the memory of a batch back.
func (p *recordPool) PutRecords(records []kgo.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) < maxPooled && cap(records) <= maxPooledRecords {
		p.free = append(p.free, records[:0])
	}
}
