package shard

import (
	"context"

	"highwater/pkg/replica"
)

// catchUp applies what the changelog has and the state lacks. REQUIRES: no
// transaction of the shard is open, and nobody else's can commit.
func (s *Shard) catchUp(ctx context.Context) error {
	r, err := replica.New(replica.Options{
		Client: s.cfg.Client, Names: s.cfg.Names, Store: s.store, Logger: s.cfg.Logger, Metrics: s.cfg.Replica,
	})
	if err != nil {
		return err
	}
	defer r.Close()
	return r.CatchUp(ctx)
}
