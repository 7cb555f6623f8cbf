package oracle

import (
	"fmt"
	"math/bits"
	"slices"

	"highwater/pkg/event"
)

// bucket is where a credit is.
type bucket int

// The buckets. The ones of a restored grant's credits are counted there; the
// grant it stands for only remembers how many left it.
const (
	available bucket = iota
	held
	consumed
	expired
	revoked
	sent
	restored
	buckets
)

// put adds credits that weren't in the account.
func (c *credits) put(g *grant, n int64, to bucket) {
	g.in[to] += n
	c.in[to] = c.in[to].plus(n)
	if to == available && n > 0 && g.in[available] == n {
		at, _ := slices.BinarySearchFunc(c.usable, g, drawnBefore)
		c.usable = slices.Insert(c.usable, at, g)
	}
}

// take removes credits from the account.
func (c *credits) take(g *grant, n int64, from bucket) {
	g.in[from] -= n
	c.in[from] = c.in[from].plus(-n)
	if from == available && n > 0 && g.in[available] == 0 {
		at, _ := slices.BinarySearchFunc(c.usable, g, drawnBefore)
		c.usable = slices.Delete(c.usable, at, at+1)
	}
}

func (c *credits) move(g *grant, n int64, from, to bucket) {
	c.take(g, n, from)
	c.put(g, n, to)
}

// balances are the account's numbers, once it is sure that they add up (I2).
func (c *credits) balances() (event.Balances, error) {
	sum := wide{}
	for b := range restored {
		sum = sum.add(c.in[b])
		if c.in[b].hi < 0 {
			return event.Balances{}, fmt.Errorf("bucket %d holds less than nothing: %v", b, c.in)
		}
	}
	if sum != c.credited {
		return event.Balances{}, fmt.Errorf("%v was credited, but what is available, held, consumed, expired, revoked and sent makes %v: %v", c.credited, sum, c.in)
	}
	if c.debt != (wide{}) && c.in[available] != (wide{}) || c.debt.hi < 0 {
		return event.Balances{}, fmt.Errorf("%v is available while %v is owed", c.in[available], c.debt)
	}
	free, okFree := c.in[available].small()
	set, okSet := c.in[held].small()
	debt, okDebt := c.debt.small()
	if !okFree || !okSet || !okDebt {
		return event.Balances{}, fmt.Errorf("a balance is beyond 2^63-1: %v available, %v held, %v owed", c.in[available], c.in[held], c.debt)
	}
	return event.Balances{Balance: free - debt, Held: set, Debt: debt}, nil
}

// account checks, once at the end, the running totals against the grants,
// holds and debts they were counted from.
func (c *credits) account() error {
	var in [buckets]wide
	credited, owed, inside := wide{}, wide{}, wide{}
	for _, g := range c.grants {
		sum := int64(0)
		for b, n := range g.in {
			if n < 0 {
				return fmt.Errorf("grant %q holds less than nothing: %v", g.id, g.in)
			}
			sum += n
			in[b] = in[b].plus(n)
		}
		if sum != 0 && sum != g.amount {
			return fmt.Errorf("grant %q of %d: %v make %d", g.id, g.amount, g.in, sum)
		}
		if !g.restored {
			credited = credited.plus(sum)
		}
	}
	in[restored] = wide{}
	for _, l := range c.owed {
		owed = owed.plus(l.amount)
	}
	for _, t := range c.takings {
		inside = inside.plus(sumOf(t.inside))
	}
	if in != c.in || credited != c.credited || owed != c.debt || inside != c.in[held] {
		return fmt.Errorf("%v credited, %v owed, %v held and %v were counted, but over the grants, debts and holds it is %v, %v, %v and %v",
			c.credited, c.debt, c.in[held], c.in, credited, owed, inside, in)
	}
	return nil
}

// wide is a whole number of 128 bits: credits received are never refused, so
// their sum may pass 2^63.
type wide struct {
	hi int64
	lo uint64
}

func (w wide) plus(n int64) wide { return w.add(wide{n >> 63, uint64(n)}) }

func (w wide) add(o wide) wide {
	lo, carry := bits.Add64(w.lo, o.lo, 0)
	return wide{w.hi + o.hi + int64(carry), lo}
}

// small is the number in 64 bits, if it fits.
func (w wide) small() (int64, bool) {
	n := int64(w.lo)
	return n, w.hi == n>>63
}

func (w wide) String() string {
	if n, ok := w.small(); ok {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d*2^64+%d", w.hi, w.lo)
}
