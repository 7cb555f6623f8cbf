package gen

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/oracle"
)

// The text of policies is words, on a partition's line or a transaction's;
// what isn't named is off:
//
//	debt=credits,gems         these assets owe what they miss
//	forfeit=gems              what they give back to expired grants expires
//	max_amount=credits:100    at most this much is spent in a window,
//	max_count=credits:3       in so many debits
//	window=credits:60         of so many seconds
//	plain=gems                nothing is on, whatever * says
//	max_live=2                so many orders may be live
//	max_notional=10.5         an order may be about so much
//	forgive                   nothing is on
//
// An asset * stands for all that aren't named.
const everyAsset = "*"

// noPolicies are those with nothing on.
func noPolicies() *event.Policies { return &event.Policies{Assets: map[string]event.Policy{}} }

// setPolicy changes one asset's policy.
func setPolicy(p *event.Policies, asset string, change func(*event.Policy)) {
	if asset == everyAsset {
		change(&p.Default)
		return
	}
	own := p.Assets[asset]
	change(&own)
	p.Assets[asset] = own
}

func writePolicies(b *strings.Builder, p *event.Policies) {
	all := maps.Clone(p.Assets)
	if p.Default != (event.Policy{}) {
		if all == nil {
			all = map[string]event.Policy{}
		}
		all[everyAsset] = p.Default
	}
	list := func(key string, of func(event.Policy) (string, bool)) {
		var words []string
		for _, asset := range slices.Sorted(maps.Keys(all)) {
			if value, on := of(all[asset]); on {
				words = append(words, asset+value)
			}
		}
		if len(words) > 0 {
			fmt.Fprintf(b, " %s=%s", key, strings.Join(words, ","))
		}
	}
	number := func(n int64) (string, bool) { return ":" + strconv.FormatInt(n, 10), n != 0 }
	list("debt", func(p event.Policy) (string, bool) { return "", p.Debt })
	list("forfeit", func(p event.Policy) (string, bool) { return "", p.Forfeit })
	list("max_amount", func(p event.Policy) (string, bool) { return number(int64(p.MaxSpendAmount)) })
	list("max_count", func(p event.Policy) (string, bool) { return number(p.MaxSpendCount) })
	list("window", func(p event.Policy) (string, bool) {
		return ":" + oracle.TimeText(event.Time(p.Window)), p.Window != 0
	})
	list("plain", func(p event.Policy) (string, bool) { return "", p == event.Policy{} })
	if n := p.Orders.MaxLiveOrders; n != 0 {
		fmt.Fprintf(b, " max_live=%d", n)
	}
	if n := p.Orders.MaxOrderNotional; n.Sign() != 0 {
		fmt.Fprintf(b, " max_notional=%s", n)
	}
}

// parsePolicy reads one word about policies; false where it is about
// something else.
func parsePolicy(p *event.Policies, key, value string) (bool, error) {
	var err error
	each := func(set func(*event.Policy, string) error) {
		for word := range strings.SplitSeq(value, ",") {
			asset, n, _ := strings.Cut(word, ":")
			setPolicy(p, asset, func(own *event.Policy) {
				if e := set(own, n); e != nil {
					err = e
				}
			})
		}
	}
	switch key {
	case "debt":
		each(func(own *event.Policy, _ string) error { own.Debt = true; return nil })
	case "forfeit":
		each(func(own *event.Policy, _ string) error { own.Forfeit = true; return nil })
	case "max_amount":
		each(func(own *event.Policy, n string) error { return scan(n, &own.MaxSpendAmount) })
	case "max_count":
		each(func(own *event.Policy, n string) error { return scan(n, &own.MaxSpendCount) })
	case "window":
		each(func(own *event.Policy, n string) (err error) { own.Window, err = parseMicros(n); return err })
	case "plain":
		each(func(*event.Policy, string) error { return nil })
	case "max_live":
		err = scan(value, &p.Orders.MaxLiveOrders)
	case "max_notional":
		p.Orders.MaxOrderNotional, err = event.ParseTotal(value)
	case "forgive":
	default:
		return false, nil
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", key, err)
	}
	return true, err
}

func scan(s string, to any) error {
	if _, err := fmt.Sscan(s, to); err != nil {
		return fmt.Errorf("%q is not a number", s)
	}
	return nil
}

// makePolicies makes up policies: each rule is off more often than on, and
// where it is on the bounds are small enough to be met.
func (m *maker) makePolicies() *event.Policies {
	p := noPolicies()
	for _, asset := range Assets {
		if m.chance(15) && asset != Assets[0] {
			asset = everyAsset
		}
		if m.chance(45) {
			setPolicy(p, asset, func(own *event.Policy) { own.Debt = true })
		}
		if m.chance(40) {
			setPolicy(p, asset, func(own *event.Policy) { own.Forfeit = true })
		}
		if m.chance(20) {
			setPolicy(p, asset, func(own *event.Policy) { m.spendRules(own) })
		}
	}
	if m.chance(25) {
		p.Orders.MaxLiveOrders = int64(1 + m.IntN(2))
	}
	if m.chance(25) {
		p.Orders.MaxOrderNotional = decimal([]string{"1", "2.5", "10"}[m.IntN(3)])
	}
	return p
}

func (m *maker) spendRules(own *event.Policy) {
	which := m.IntN(3)
	if which != 0 {
		own.MaxSpendAmount = event.Amount(3 + m.IntN(15))
	}
	if which != 1 {
		own.MaxSpendCount = int64(1 + m.IntN(3))
	}
	own.Window = int64(1+m.IntN(6)) * tick
	if m.chance(20) {
		own.Window++
	}
}
