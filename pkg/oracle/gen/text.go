package gen

import (
	"fmt"
	"strconv"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/oracle"
)

// The text of a Scenario is a line of configuration, a line for each
// transaction and one for each arrival in it:
//
//	partition lateness=10 idle=30 skew=5 settled debt=gems
//	tx 12
//	grant e1 user=ann at=10 id=g1 amount=100 expires=50
//	subtract e2 user=ann at=11.5 amount=5 asset=gems topic=ledger
//	transfer e3 user=ann at=12 to=bob amount=7
//	unreadable malformed
//	tx 40 takeover debt=gems,credits
//	deliver
//
// Times are seconds since 1970 with up to six digits after the point. A
// transaction's policies, if it has any, take the place of those before it.
// Each deliver is the transfer longest on the way. Lines that are empty or
// begin with # mean nothing.

// String is the Scenario's text.
func (s Scenario) String() string {
	var b strings.Builder
	c := s.Config
	b.WriteString("partition")
	number := func(key string, micros int64) {
		if micros != 0 {
			fmt.Fprintf(&b, " %s=%s", key, oracle.TimeText(event.Time(micros)))
		}
	}
	if c.Partition != 0 {
		fmt.Fprintf(&b, " number=%d", c.Partition)
	}
	number("lateness", c.Lateness)
	number("idle", c.IdleTimeout)
	number("skew", c.FutureSkew)
	number("horizon", c.Horizon)
	flag(&b, c.IdleHold, "hold")
	flag(&b, c.Settled, "settled")
	writePolicies(&b, &c.Policies)
	b.WriteString("\n")
	for i := range s.Transactions {
		tx := &s.Transactions[i]
		fmt.Fprintf(&b, "tx %s", oracle.TimeText(tx.Now))
		flag(&b, tx.TakeOver, "takeover")
		if tx.Policies != nil {
			before := b.Len()
			writePolicies(&b, tx.Policies)
			flag(&b, b.Len() == before, "forgive")
		}
		b.WriteString("\n")
		for j := range tx.Arrivals {
			writeArrival(&b, &tx.Arrivals[j])
		}
	}
	return b.String()
}

func flag(b *strings.Builder, on bool, name string) {
	if on {
		b.WriteString(" " + name)
	}
}

func writeArrival(b *strings.Builder, a *oracle.Arrival) {
	if isDelivery(a) {
		b.WriteString("deliver\n")
		return
	}
	if a.Refusal != nil {
		fmt.Fprintf(b, "unreadable %s", a.Refusal.Code)
		if a.Input.Topic != event.Grants {
			fmt.Fprintf(b, " topic=%s", a.Input.Topic)
		}
		b.WriteString("\n")
		return
	}
	e := &a.Event
	fmt.Fprintf(b, "%s %s user=%s at=%s", e.Kind, e.ID, e.User, oracle.TimeText(e.OccurredAt))
	flag(b, !e.TimeGiven, "untimed")
	word := func(key, value string) {
		if value != "" {
			fmt.Fprintf(b, " %s=%s", key, value)
		}
	}
	if e.Asset != event.DefaultAsset {
		word("asset", e.Asset)
	}
	word("id", e.Ref)
	word("to", e.To)
	if e.Amount != event.NoAmount {
		word("amount", strconv.FormatInt(int64(e.Amount), 10))
	}
	if e.EffectiveAt != event.NoTime {
		word("effective", oracle.TimeText(e.EffectiveAt))
	}
	if e.ExpiresAt != event.NoTime {
		word("expires", oracle.TimeText(e.ExpiresAt))
	}
	if e.Priority != 0 {
		word("priority", strconv.Itoa(int(e.Priority)))
	}
	word("currency", e.Currency)
	if e.Kind == event.PlaceOrder {
		word("quantity", e.Quantity.String())
		word("price", e.Price.String())
	}
	if e.Sequence != 0 {
		word("sequence", strconv.FormatInt(e.Sequence, 10))
	}
	flag(b, e.Source != "", "retry")
	if a.Input.Topic != e.Kind.Topic() {
		word("topic", a.Input.Topic.String())
	}
	b.WriteString("\n")
}

// Parse reads a Scenario's text. An error names the line.
func Parse(text string) (Scenario, error) {
	var s Scenario
	for n, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if err := s.parse(words); err != nil {
			return s, fmt.Errorf("line %d %q: %w", n+1, line, err)
		}
	}
	s.number()
	return s, nil
}

// ParseConfig reads a configuration line's words after the first.
func ParseConfig(words []string) (oracle.Config, error) {
	var c oracle.Config
	c.Policies = *noPolicies()
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		var err error
		switch key {
		case "number":
			_, err = fmt.Sscan(value, &c.Partition)
		case "lateness":
			c.Lateness, err = parseMicros(value)
		case "idle":
			c.IdleTimeout, err = parseMicros(value)
		case "skew":
			c.FutureSkew, err = parseMicros(value)
		case "horizon":
			c.Horizon, err = parseMicros(value)
		case "hold":
			c.IdleHold = true
		case "settled":
			c.Settled = true
		default:
			var known bool
			if known, err = parsePolicy(&c.Policies, key, value); !known {
				err = fmt.Errorf("%q is not a setting", key)
			}
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

func (s *Scenario) parse(words []string) error {
	switch words[0] {
	case "partition":
		c, err := ParseConfig(words[1:])
		s.Config = c
		return err
	case "tx":
		tx, err := parseTransaction(words[1:])
		s.Transactions = append(s.Transactions, tx)
		return err
	}
	if len(s.Transactions) == 0 {
		return fmt.Errorf("an arrival needs a transaction: begin with tx and the clock")
	}
	a, err := ParseArrival(words)
	tx := &s.Transactions[len(s.Transactions)-1]
	tx.Arrivals = append(tx.Arrivals, a)
	return err
}

func parseTransaction(words []string) (Transaction, error) {
	var tx Transaction
	if len(words) == 0 {
		return tx, fmt.Errorf("tx needs the clock in seconds")
	}
	now, err := parseMicros(words[0])
	tx.Now = event.Time(now)
	for _, w := range words[1:] {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "takeover":
			tx.TakeOver = true
		default:
			if tx.Policies == nil {
				tx.Policies = noPolicies()
			}
			known, err := parsePolicy(tx.Policies, key, value)
			if !known {
				err = fmt.Errorf("%q is nothing that a transaction has", key)
			}
			if err != nil {
				return tx, err
			}
		}
	}
	return tx, err
}

// ParseArrival reads an arrival's words.
func ParseArrival(words []string) (oracle.Arrival, error) {
	var a oracle.Arrival
	switch words[0] {
	case "unreadable":
		return parseUnreadable(words[1:])
	case "deliver":
		if len(words) > 1 {
			return a, fmt.Errorf("deliver stands alone")
		}
		return Deliver(), nil
	}
	kind, ok := event.ParseKind(words[0])
	if !ok || len(words) < 2 {
		return a, fmt.Errorf("an arrival is an operation and an event id, or unreadable and a code")
	}
	e := &a.Event
	e.Clear()
	e.Kind, e.ID, e.Asset = kind, words[1], event.DefaultAsset
	a.Input.Topic = kind.Topic()
	for _, w := range words[2:] {
		key, value, _ := strings.Cut(w, "=")
		if err := parseField(&a, key, value); err != nil {
			return a, fmt.Errorf("%s: %w", key, err)
		}
	}
	return a, nil
}

func parseUnreadable(words []string) (oracle.Arrival, error) {
	a := oracle.Arrival{Input: event.Position{Topic: event.Grants}}
	a.Event.Clear()
	if len(words) == 0 {
		return a, fmt.Errorf("unreadable needs a code")
	}
	code, ok := event.ParseCode(words[0])
	if !ok {
		return a, fmt.Errorf("%q is not a code", words[0])
	}
	a.Refusal = &event.Refusal{Code: code}
	for _, w := range words[1:] {
		key, value, _ := strings.Cut(w, "=")
		if key != "topic" {
			return a, fmt.Errorf("%q is nothing that an unreadable record has", key)
		}
		if err := parseField(&a, key, value); err != nil {
			return a, err
		}
	}
	return a, nil
}

func parseField(a *oracle.Arrival, key, value string) error {
	e := &a.Event
	var err error
	switch key {
	case "user":
		e.User = value
	case "at":
		e.OccurredAt, err = parseTime(value)
	case "untimed":
		e.TimeGiven = false
	case "asset":
		e.Asset = value
	case "id":
		e.Ref = value
	case "to":
		e.To = value
	case "amount":
		_, err = fmt.Sscan(value, &e.Amount)
	case "effective":
		e.EffectiveAt, err = parseTime(value)
	case "expires":
		e.ExpiresAt, err = parseTime(value)
	case "priority":
		_, err = fmt.Sscan(value, &e.Priority)
	case "currency":
		e.Currency = value
	case "quantity":
		e.Quantity, err = event.ParseDecimal(value)
	case "price":
		e.Price, err = event.ParseDecimal(value)
	case "sequence":
		_, err = fmt.Sscan(value, &e.Sequence)
	case "retry":
		markRetry(e)
	case "topic":
		topic, ok := event.ParseTopic(value)
		if !ok {
			return fmt.Errorf("%q is not a topic", value)
		}
		a.Input.Topic = topic
	default:
		err = fmt.Errorf("is nothing that an event has")
	}
	return err
}

// markRetry gives an event what doesn't count as its content.
func markRetry(e *event.Event) {
	e.Source, e.Metadata = "retry", []event.Pair{{Key: "n", Value: "2"}}
}

func parseTime(s string) (event.Time, error) {
	micros, err := parseMicros(s)
	return event.Time(micros), err
}

// parseMicros reads seconds with up to six digits after the point.
func parseMicros(s string) (int64, error) {
	whole, frac, _ := strings.Cut(s, ".")
	if len(frac) > 6 {
		return 0, fmt.Errorf("%q has more than six digits of a second", s)
	}
	n, err := strconv.ParseInt(whole+frac+strings.Repeat("0", 6-len(frac)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number of seconds", s)
	}
	return n, nil
}
