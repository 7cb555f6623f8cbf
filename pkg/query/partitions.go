package query

import (
	"context"
	"slices"

	"highwater/pkg/api"
	"highwater/pkg/event"
)

func (s *Service) partitionList(ctx context.Context, p *api.Params) (answer, error) {
	limit := p.Limit()
	c, resumed := readCursor(p, "partitions")
	if err := p.Err(); err != nil {
		return answer{}, err
	}
	all, err := s.open() // those that are catching up, too
	if err != nil {
		return answer{}, err
	}
	if resumed {
		all = all[min(c.Number+1, int64(len(all))):]
	}
	partitions := newList(limit)
	var next *cursor
	shown := slices.Clip(all[:min(limit, len(all))])
	if len(shown) < len(all) {
		next = &cursor{List: "partitions", Number: int64(shown[len(shown)-1].Store.Shard())}
	}
	err = s.look(ctx, shown, func(views []view) error {
		for i := range views {
			if err := partitions.addValue(partitionItemOf(&views[i], &shown[i])); err != nil {
				return err
			}
		}
		return nil
	})
	return partitions.end(next), err
}

// partitionItem is how far a partition is.
type partitionItem struct {
	Partition       int32      `json:"partition"`
	Positions       []position `json:"positions"`
	Watermark       instant    `json:"watermark"`
	ProcessedAt     instant    `json:"processed_at"`
	Lag             int64      `json:"lag"`
	Ready           bool       `json:"ready"`
	Owner           *string    `json:"owner"`
	Seq             int64      `json:"seq"`
	ChangelogOffset *int64     `json:"changelog_offset"`
	StateHash       string     `json:"state_hash"`
}

func partitionItemOf(v *view, p *Partition) partitionItem {
	item := partitionItem{
		Partition: v.meta.Shard, Positions: v.positions(), Watermark: instant(v.Watermark()), ProcessedAt: instant(event.NoTime),
		Lag: p.Lag(), Ready: p.isReady(), Seq: v.meta.Seq, StateHash: v.meta.Hash.String(),
	}
	if v.meta.Seq > 0 {
		item.ProcessedAt, item.ChangelogOffset = instant(v.meta.ProcessedAt), &v.meta.Offset
	}
	return item
}
