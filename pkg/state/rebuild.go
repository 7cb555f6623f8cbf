package state

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// buildFilter makes the filter from the identity rows. It is made with room
// for half as many more, so that a restart also joins the generations that the
// last run needed.
func buildFilter(db *pebble.DB, prefix byte, identities uint64) (f *filter, err error) {
	f = newFilter(int(min(identities, 1<<32) * 3 / 2))
	upper := []byte{prefix + 1}
	if prefix == 0xff {
		upper = nil
	}
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefix}, UpperBound: upper})
	if err != nil {
		return nil, fmt.Errorf("read identities: %w", err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		if key := it.Key(); len(key) == identityKeyBytes {
			f.add(key)
		}
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return nil, fmt.Errorf("read identities: %w", err)
	}
	return f, nil
}
