package state

import (
	"bytes"
	"slices"
)

// order is the ascending order of a layer's entries, made on demand: main and
// delta are sorted, entries from known on are in neither. A scan sorts what is
// new into delta, which is small, so that scans between writes don't cost a
// sort of everything; delta is merged into main when it isn't small any more.
type order struct {
	main, delta []item
	known       int
	scratch     []item
}

type item struct {
	prefix uint64
	index  uint32
}

// maxDelta bounds what one scan after one write moves, and with it the merges
// into main.
const maxDelta = 512

// radixFrom is the length from which sorting digit by digit is quicker than
// comparing.
const radixFrom = 96

func (o *order) reset() {
	o.main, o.delta, o.known = o.main[:0], o.delta[:0], 0
}

// compare orders two items as their keys.
func (l *layer) compare(a, b item) int {
	if a.prefix != b.prefix {
		if a.prefix < b.prefix {
			return -1
		}
		return 1
	}
	return bytes.Compare(l.key(&l.entries[a.index]), l.key(&l.entries[b.index]))
}

// sorted is all entries in ascending order.
func (l *layer) sorted() []item {
	o := &l.order
	if o.known < len(l.entries) || len(o.delta) > 0 {
		l.absorb(true)
	}
	return o.main
}

// within is the entries with keys in [from, to), as two sorted runs that have
// no key in common. An empty bound is none.
func (l *layer) within(from, to []byte) [2][]item {
	o := &l.order
	if o.known < len(l.entries) {
		l.absorb(len(o.delta)+len(l.entries)-o.known > maxDelta)
	}
	return [2][]item{l.between(o.main, from, to), l.between(o.delta, from, to)}
}

func (l *layer) between(run []item, from, to []byte) []item {
	if len(to) > 0 {
		run = run[:l.search(run, to)]
	}
	return run[l.search(run, from):]
}

// search is the place of the first item of a run that isn't below key.
func (l *layer) search(run []item, key []byte) int {
	prefix := prefixAt(key, 0)
	lo, hi := 0, len(run)
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		it := run[mid]
		if it.prefix < prefix || it.prefix == prefix && bytes.Compare(l.key(&l.entries[it.index]), key) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// absorb sorts the entries that are in no run yet into delta, and if asked
// everything into main.
func (l *layer) absorb(intoMain bool) {
	o := &l.order
	fresh := o.scratch[:0]
	for i := o.known; i < len(l.entries); i++ {
		fresh = append(fresh, item{l.entries[i].prefix, uint32(i)})
	}
	o.scratch = fresh
	o.known = len(l.entries)
	if !intoMain && len(fresh) <= 4 {
		for _, it := range fresh {
			at, _ := slices.BinarySearchFunc(o.delta, it, l.compare)
			o.delta = slices.Insert(o.delta, at, it)
		}
		return
	}
	at := len(o.delta)
	o.delta = append(o.delta, fresh...)
	l.sort(o.delta[at:])
	o.delta = l.mergeTail(o.delta, at)
	if intoMain {
		at = len(o.main)
		o.main = append(o.main, o.delta...)
		o.main = l.mergeTail(o.main, at)
		o.delta = o.delta[:0]
	}
}

// mergeTail merges the sorted run[:at] and run[at:] in place.
func (l *layer) mergeTail(run []item, at int) []item {
	if at == 0 || at == len(run) || l.compare(run[at-1], run[at]) < 0 {
		return run
	}
	o := &l.order
	tail := append(o.scratch[:0], run[at:]...)
	o.scratch = tail
	i, j := at-1, len(tail)-1
	for to := len(run) - 1; j >= 0; to-- {
		if i >= 0 && l.compare(run[i], tail[j]) > 0 {
			run[to] = run[i]
			i--
		} else {
			run[to] = tail[j]
			j--
		}
	}
	return run
}

// sort sorts items whose prefix is that at depth 0.
func (l *layer) sort(items []item) {
	if len(items) < radixFrom {
		slices.SortFunc(items, l.compare)
		return
	}
	l.order.scratch = slices.Grow(l.order.scratch[:0], len(items))[:len(items)]
	l.sortAt(items, l.order.scratch, 0)
}

// sortAt sorts items whose keys agree in their first depth bytes and whose
// prefix is that at depth. It leaves them with the prefix at depth 0.
func (l *layer) sortAt(items, scratch []item, depth int) {
	radixSort(items, scratch)
	for from := 0; from < len(items); {
		to := from + 1
		for to < len(items) && items[to].prefix == items[from].prefix {
			to++
		}
		run := items[from:to]
		from = to
		if len(run) == 1 && depth == 0 {
			continue
		}
		deeper := len(run) >= radixFrom && l.allLonger(run, depth+8)
		for i := range run {
			if e := &l.entries[run[i].index]; deeper {
				run[i].prefix = prefixAt(l.key(e), depth+8)
			} else {
				run[i].prefix = e.prefix
			}
		}
		if deeper {
			l.sortAt(run, scratch, depth+8)
		} else if len(run) > 1 {
			slices.SortFunc(run, l.compare)
		}
	}
}

// allLonger reports whether each key goes on after n bytes, so that none ends
// within a prefix where it would look like a key with zeros.
func (l *layer) allLonger(run []item, n int) bool {
	for _, it := range run {
		if int(l.entries[it.index].klen) <= n {
			return false
		}
	}
	return true
}

// radixSort sorts by prefix, least significant byte first; bytes that are the
// same in all items cost nothing but being counted.
func radixSort(items, scratch []item) {
	var counts [8][256]uint32
	for _, it := range items {
		for digit := range 8 {
			counts[digit][byte(it.prefix>>(8*digit))]++
		}
	}
	scratch = scratch[:len(items)]
	from, to := items, scratch
	for digit := range 8 {
		count := &counts[digit]
		if count[byte(items[0].prefix>>(8*digit))] == uint32(len(items)) {
			continue
		}
		var sum uint32
		for i, n := range count {
			count[i] = sum
			sum += n
		}
		for _, it := range from {
			b := byte(it.prefix >> (8 * digit))
			to[count[b]] = it
			count[b]++
		}
		from, to = to, from
	}
	if &from[0] != &items[0] {
		copy(items, from)
	}
}
