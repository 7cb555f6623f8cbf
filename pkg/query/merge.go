package query

import "iter"

// source is a list of one partition, in an order that all partitions share.
type source[K, V any] = iter.Seq2[K, V]

// merged are several partitions' lists as one, in their common order.
func merged[K, V any](sources []source[K, V], compare func(K, K) int) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		type front struct {
			key   K
			value V
			more  bool
			next  func() (K, V, bool)
		}
		fronts := make([]front, len(sources))
		for i, s := range sources {
			next, stop := iter.Pull2(s)
			defer stop()
			fronts[i].next = next
			fronts[i].key, fronts[i].value, fronts[i].more = next()
		}
		for {
			var first *front
			for i := range fronts {
				f := &fronts[i]
				if f.more && (first == nil || compare(f.key, first.key) < 0) {
					first = f
				}
			}
			if first == nil {
				return
			}
			if !yield(first.key, first.value) {
				return
			}
			first.key, first.value, first.more = first.next()
		}
	}
}
