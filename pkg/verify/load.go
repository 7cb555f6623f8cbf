package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// load reads one partition of everything, at one cut; nil where the
// processors don't get there.
func (v *verifier) load(ctx context.Context, p int32) (*history, error) {
	h := newHistory(v, p)
	inputs, err := v.newReader(ctx, p, v.inputNames()...)
	if err != nil {
		return nil, err
	}
	defer inputs.close()
	for topic, start := range inputs.next {
		if start > 0 {
			v.report.fail(checkInputs, "%s/%d begins at offset %d: what was before is gone, and nothing that came of it can be proved", topic, p, start)
		}
	}
	if err := inputs.readToEnd(ctx, v.client, h.input); err != nil {
		return nil, err
	}
	changelog, err := v.newReader(ctx, p, v.Names.Changelog())
	if err != nil {
		return nil, err
	}
	defer changelog.close()
	if ok, err := v.catchUp(ctx, h, changelog); err != nil || !ok {
		return nil, err
	}
	if err := v.outputs(ctx, h, changelog); err != nil {
		return nil, err
	}
	// Records that came since, as far as the cut has taken them.
	ends := map[string]int64{}
	for _, topic := range readTopics {
		ends[v.Names.Input(topic)] = h.chain.last().positions.Next(topic)
	}
	if err := inputs.readTo(ctx, ends, h.input); err != nil {
		return nil, fmt.Errorf("the changelog says it took what the inputs don't have: %w", err)
	}
	h.cut()
	return h, nil
}

func (v *verifier) inputNames() []string {
	var names []string
	for _, topic := range readTopics {
		names = append(names, v.Names.Input(topic))
	}
	return names
}

// readTopics are all that a shard reads.
var readTopics = append(event.Inputs[:], event.Transfers)

// catchUp follows the changelog until its transactions have taken all input
// records that were read; false where that takes too long.
func (v *verifier) catchUp(ctx context.Context, h *history, changelog *reader) (ok bool, err error) {
	if err := changelog.readToEnd(ctx, v.client, h.chain.take); err != nil {
		return false, err
	}
	waiting, cancel := context.WithTimeout(ctx, v.Wait)
	defer cancel()
	for h.behind() != "" && waiting.Err() == nil {
		if _, err := changelog.poll(waiting, h.chain.take); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return false, err
		}
	}
	if behind := h.behind(); behind != "" && ctx.Err() == nil {
		v.report.fail(checkCaughtUp, "%s, after %s: do the processors run?", behind, v.Wait)
		return false, nil
	}
	v.report.count(checkCaughtUp, "partitions", 1)
	return true, v.awaitQuiet(ctx, h, changelog)
}

// How long the changelog must bring nothing to be quiet, at least; up to which
// time between two transactions that is longer; and for how long at most it is
// waited for.
const (
	quietFor    = 100 * time.Millisecond
	quietUpTo   = 500 * time.Millisecond
	quietWithin = 5 * time.Second
)

// awaitQuiet follows the changelog until nothing comes for a moment. A move of
// the watermark that says very much is cut into transactions that follow each
// other at once: a cut between them would miss what is about to be settled.
func (v *verifier) awaitQuiet(ctx context.Context, h *history, changelog *reader) error {
	for end := time.Now().Add(quietWithin); time.Now().Before(end); {
		known := len(h.chain.transactions)
		waiting, cancel := context.WithTimeout(ctx, h.chain.pause())
		_, err := changelog.poll(waiting, h.chain.take)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		if len(h.chain.transactions) == known {
			break
		}
	}
	return ctx.Err()
}

// pause is how long to wait for one more transaction: where the last one took
// no records, as in a move of the watermark, the next takes about as long.
func (c *chain) pause() time.Duration {
	n := len(c.transactions)
	if n < 2 || c.transactions[n-1].events > 0 {
		return quietFor
	}
	gap := time.Duration(c.transactions[n-1].processedAt-c.transactions[n-2].processedAt) * time.Microsecond
	if gap > quietUpTo {
		return quietFor
	}
	return max(quietFor, 2*gap)
}

// behind says what the changelog hasn't taken of the inputs; "" for nothing.
func (h *history) behind() string {
	positions := h.chain.last().positions
	for _, topic := range readTopics {
		records := h.inputs[topic]
		if n := len(records); n > 0 && records[n-1].position.Offset >= positions.Next(topic) {
			return fmt.Sprintf("%s/%d was processed up to offset %d, but has records up to %d",
				h.v.Names.Input(topic), h.partition, positions.Next(topic), records[n-1].position.Offset)
		}
	}
	return ""
}

// outputs reads what was published, and settles the cut: the newest
// transaction. What it and those before it published is then complete. A
// record without committed_at is told by Kafka's timestamp, so no transaction
// behind the cut may be of the cut's millisecond.
func (v *verifier) outputs(ctx context.Context, h *history, changelog *reader) error {
	topics := make([]string, 0, kafka.OutputCount)
	for _, output := range kafka.Outputs() {
		topics = append(topics, v.Names.Output(output))
	}
	published, err := v.newReader(ctx, h.partition, topics...)
	if err != nil {
		return err
	}
	defer published.close()
	c := h.chain
	for cut := len(c.transactions); ; {
		h.cutMillis = -1
		if cut > 0 {
			h.cutMillis = millis(c.transactions[cut-1].processedAt)
		}
		if err := published.readToEnd(ctx, v.client, h.output); err != nil {
			return err
		}
		if err := changelog.readToEnd(ctx, v.client, c.take); err != nil {
			return err
		}
		before := cut
		for cut < len(c.transactions) && millis(c.transactions[cut].processedAt) <= h.cutMillis {
			cut++
		}
		if cut == before {
			c.transactions = c.transactions[:cut]
			return nil
		}
	}
}

// millis is what Kafka keeps of a time.
func millis(t event.Time) int64 { return int64(t) / 1000 }
