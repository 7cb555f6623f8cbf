package shard

import "testing"

// What a budget has is shared by the shards that run.
func TestBudget(t *testing.T) {
	b := NewBudget(120)
	for _, c := range []struct{ change, share int }{{0, 120}, {1, 120}, {1, 60}, {1, 40}, {-2, 120}} {
		b.shards.Add(int64(c.change))
		if got := b.share(); got != c.share {
			t.Errorf("%d shards have %d each, not %d", b.shards.Load(), got, c.share)
		}
	}
}
