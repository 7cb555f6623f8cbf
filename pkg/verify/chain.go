package verify

import (
	"cmp"
	"encoding/hex"
	"sort"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// transaction is what the changelog says about one.
type transaction struct {
	seq         int64
	positions   kafka.Positions
	watermark   event.Time
	processedAt event.Time
	// events is how many input records it took.
	events int64
}

// chain follows one partition's changelog.
type chain struct {
	partition int32
	report    *report
	assembler kafka.Assembler

	// hash is the chain's value behind the newest transaction, hashes those
	// behind each, with the seq.
	hash         [32]byte
	hashes       map[string]int64
	transactions []transaction
	// wentBack is true where the processor's clock did.
	wentBack bool
}

func newChain(partition int32, r *report) *chain {
	return &chain{partition: partition, report: r, hashes: map[string]int64{strings.Repeat("0", 2*len(chain{}.hash)): 0}}
}

// take looks at the next record. After a break it goes on from what the
// record says.
func (c *chain) take(record *kgo.Record) {
	fail := func(format string, args ...any) {
		c.report.fail(checkChangelog, "%s: "+format, append([]any{where(record)}, args...)...)
	}
	r, err := kafka.DecodeChangelogRecord(record.Value)
	if err != nil {
		fail("%v", err)
		return
	}
	if r.Shard != c.partition {
		fail("it is shard %d's", r.Shard)
	}
	whole, err := c.assembler.Add(&r)
	if err != nil {
		fail("%v", err)
		c.assembler.Reset()
		return
	}
	if !whole {
		return
	}
	last := c.last()
	switch {
	case r.Seq != last.seq+1:
		fail("seq %d follows %d", r.Seq, last.seq)
	case r.PrevHash != c.hash:
		fail("seq %d says the chain stood at %x, but it stood at %x", r.Seq, r.PrevHash, c.hash)
	}
	for i, next := range r.Positions {
		if next < last.positions[i] {
			fail("seq %d goes back to offset %d of %s from %d", r.Seq, next, event.Grants+event.Topic(i), last.positions[i])
		}
	}
	if r.Watermark < last.watermark {
		fail("seq %d takes the watermark back to %s from %s", r.Seq, r.Watermark, last.watermark)
	}
	c.wentBack = c.wentBack || r.ProcessedAt <= last.processedAt && last.seq > 0
	c.hash = kafka.ChainHash(r.PrevHash, r.BatchHash)
	c.hashes[hex.EncodeToString(c.hash[:])] = r.Seq
	c.transactions = append(c.transactions, transaction{
		seq: r.Seq, positions: r.Positions, watermark: r.Watermark, processedAt: r.ProcessedAt, events: int64(r.Events),
	})
}

// last is the newest transaction; the zero one where there is none.
func (c *chain) last() transaction {
	if n := len(c.transactions); n > 0 {
		return c.transactions[n-1]
	}
	return transaction{}
}

// taking is the transaction that took an input record; false where none did.
func (c *chain) taking(p event.Position) (transaction, bool) {
	i := sort.Search(len(c.transactions), func(i int) bool { return c.transactions[i].positions.Next(p.Topic) > p.Offset })
	if i == len(c.transactions) {
		return transaction{}, false
	}
	return c.transactions[i], true
}

// at is the transaction that was processed at a time; false where none was.
func (c *chain) at(t event.Time) (transaction, bool) {
	i, ok := sort.Find(len(c.transactions), func(i int) int { return cmp.Compare(t, c.transactions[i].processedAt) })
	if !ok {
		return transaction{}, false
	}
	return c.transactions[i], true
}
