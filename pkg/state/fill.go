package state

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

const (
	// filledAtOnce is up to how many identities the filter is filled while a
	// state opens. With more it is filled beside the state's work, which doesn't
	// wait for that.
	filledAtOnce = 1 << 16
	// maxFilterIdentities bounds what a damaged count can make us take.
	maxFilterIdentities = 1 << 32
)

// filling is a filter that is being filled with the rows that were there when
// the state was opened. What is applied meanwhile is learned by the state's own
// filter, which says of nothing that it is absent until it has joined this one.
type filling struct {
	stop context.CancelFunc
	// done gives the filter once. It is closed without where filling was stopped
	// or failed; then the disk is asked, which is slower and as right.
	done chan *filter
}

// fillFilter makes the filter, now or beside the state's work.
func (s *Store) fillFilter(o *Options, identities uint64, shared *Shared) error {
	s.filter = newFilter(0)
	prefixes := append([]byte{s.prefix}, o.Sparse...)
	atOnce := o.filledAtOnce
	if atOnce == 0 {
		atOnce = filledAtOnce
	}
	if identities <= atOnce {
		older, err := s.fill(context.Background(), identities, prefixes)
		s.filter = older
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan *filter, 1)
	s.filling = &filling{stop, done}
	go func() {
		defer close(done)
		select {
		case shared.fillers <- struct{}{}:
			defer func() { <-shared.fillers }()
		case <-ctx.Done():
			return
		}
		began := time.Now()
		switch older, err := s.fill(ctx, identities, prefixes); {
		case ctx.Err() != nil || s.Err() != nil:
		case err != nil:
			s.log.Error("what is absent has to be asked of the disk, until the next start", "error", err)
		default:
			s.log.Info("what is absent is known without asking the disk again", "identities", identities, "took", time.Since(began))
			done <- older
		}
	}()
	return nil
}

// fill makes a filter of the rows that it is to know. It has room for half as
// many more: what the last run had in several generations comes together again.
func (s *Store) fill(ctx context.Context, identities uint64, prefixes []byte) (f *filter, err error) {
	defer catch(&err)
	f = newFilter(int(min(identities, maxFilterIdentities) * 3 / 2))
	for _, prefix := range prefixes {
		if err := s.Err(); err != nil {
			return nil, err
		}
		if err := s.fillFrom(ctx, f, prefix); err != nil {
			return nil, fmt.Errorf("read rows %x: %w", prefix, err)
		}
	}
	return f, nil
}

func (s *Store) fillFrom(ctx context.Context, f *filter, prefix byte) error {
	o := &pebble.IterOptions{LowerBound: []byte{prefix}}
	if prefix < 0xff {
		o.UpperBound = []byte{prefix + 1}
	}
	it, err := s.db.NewIter(o)
	if err != nil {
		return err
	}
	for ok := it.First(); ok && ctx.Err() == nil && s.Err() == nil; ok = it.Next() {
		if k, ok := s.known(it.Key(), maphash.Bytes(s.seed, it.Key())); ok {
			f.add(k)
		}
	}
	return errors.Join(it.Error(), it.Close())
}

// noteFilter takes over a filter that has been filled, and notes the size.
func (s *Store) noteFilter() {
	if s.filter == nil {
		return
	}
	if s.filling != nil {
		select {
		case older := <-s.filling.done:
			if older == nil {
				return
			}
			s.filter.join(older)
			s.filling = nil
		default:
		}
	}
	s.filtered.Store(int64(s.filter.size()))
}

// stopFilling ends the filling, and with it what it reads of Pebble. Of a state
// that is lost that might not return: it isn't waited for.
func (s *Store) stopFilling() {
	if s.filling == nil {
		return
	}
	s.filling.stop()
	for {
		select {
		case _, more := <-s.filling.done:
			if !more {
				return
			}
		case <-s.fatalC:
			return
		}
	}
}
