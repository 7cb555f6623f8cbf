package bench

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"strconv"

	"highwater/pkg/event"
)

// The mix: shares of the events that are no duplicates.
const (
	grantShare = 0.10
	addShare   = 0.05
	orderShare = 0.15
	// duplicateShare is that of all records.
	duplicateShare = 0.02
)

const (
	// epoch is 2020-01-01T00:00:00Z: history, so that no event is from the
	// future, and equal in every run.
	epoch = event.Time(1_577_836_800) * second
	// interval lies between two events: a million of them are eleven days, so
	// that one may be a day late.
	interval = second
	// openedFor is how long opening the accounts takes, in event time. It ends
	// a day before the first event: what comes a day late comes after it.
	openedFor = day
	// remembered is how many events a duplicate is drawn from, the newest.
	remembered = 1 << 16
	// maxEvents keeps event times in the past and an order's number in a slot,
	// maxUsers memory in bounds: 16 bytes each.
	maxEvents = 200_000_000
	maxUsers  = 100_000_000
)

// message is one record of a load.
type message struct {
	topic event.Topic
	user  string
	id    string
	value []byte
	// copied is whether the event was made before.
	copied bool
}

// load makes events (I1). docs/benchmarks/workloads.md says to the draw how:
// whatever changes here changes there.
type load struct {
	rng *rand.Rand
	// base is when the first event happens.
	base   event.Time
	ranks  ranks
	late   []lateness
	format func(dst []byte, e *event.Event) []byte
	// opened is how many accounts were opened, made how many events there have
	// been since, duplicates left out.
	opened, made int
	// slots are each user's two newest orders that live, as far as events in
	// the order of this load go.
	slots [][2]slot
	// ring are the newest events.
	ring []message
}

// slot is an order: twice the number of the event that placed it, plus 1 where
// it is paused. 0 is none.
type slot uint32

func newLoad(w *Workload, seed uint64, format func([]byte, *event.Event) []byte) *load {
	return &load{
		rng: rand.New(rand.NewPCG(seed, 0x62656e6368)), base: epoch, ranks: newRanks(w.Users, w.Exponent), late: w.late, format: format,
		slots: make([][2]slot, w.Users), ring: make([]message, 0, remembered),
	}
}

// unit draws a number from 0 up to 1: the top 53 bits of one word.
func (l *load) unit() float64 { return float64(l.rng.Uint64()>>11) / (1 << 53) }

// below draws an integer from 0 up to n.
func (l *load) below(n int) int { return int(l.unit() * float64(n)) }

// userOf is the name of a rank. The multiplication, modulo 2^32, scatters
// ranks: neighbours in the order of names aren't neighbours in popularity.
func userOf(rank int) string { return fmt.Sprintf("u-%08x", uint32(rank+1)*2654435761) }

// history yields what is in Kafka before anything starts: the accounts'
// opening, if that is wanted, then the events.
func (l *load) history(w *Workload) iter.Seq[message] {
	return func(yield func(message) bool) {
		for l.opened < w.Users && w.Opened {
			if !yield(l.open(w.Users)) {
				return
			}
		}
		for n := range w.Events {
			if !yield(l.next(l.base + event.Time(n)*interval)) {
				return
			}
		}
	}
}

// open credits the next user, and takes no draw.
func (l *load) open(users int) message {
	e := l.fresh(event.Add, "open-"+strconv.Itoa(l.opened), l.opened, l.base-day-openedFor+openedFor/event.Time(users)*event.Time(l.opened))
	e.Amount = 1000
	l.opened++
	return l.message(&e)
}

// next is an event of about this time.
func (l *load) next(at event.Time) message {
	if l.unit() < duplicateShare && l.made > 0 {
		again := l.ring[(l.made-1-l.below(len(l.ring)))%remembered]
		again.copied = true
		return again
	}
	rank := l.ranks.at(l.unit())
	at -= l.lateness()
	l.made++
	e := l.fresh(event.Subtract, "e-"+strconv.Itoa(l.made), rank, at)
	switch u := l.unit(); {
	case u < grantShare:
		e.Kind, e.Ref = event.Grant, "g-"+strconv.Itoa(l.made)
		e.Amount = event.Amount(100 + l.below(401))
		e.ExpiresAt = at + hour + event.Time(l.below(30*24*3600))*second
		e.Priority = int32(l.below(3))
	case u < grantShare+addShare:
		e.Kind, e.Amount = event.Add, event.Amount(1+l.below(200))
	case u < grantShare+addShare+orderShare:
		l.order(&e, &l.slots[rank][l.below(2)])
	default:
		e.Amount = event.Amount(1 + l.below(100))
	}
	m := l.message(&e)
	if len(l.ring) < remembered {
		l.ring = append(l.ring, m)
	} else {
		l.ring[(l.made-1)%remembered] = m
	}
	return m
}

// lateness draws how late an event is.
func (l *load) lateness() event.Time {
	u := l.unit()
	for _, late := range l.late {
		if u < late.share {
			if late.exponential {
				return event.Time(-math.Log(1-l.unit()) * float64(late.by))
			}
			return event.Time(l.unit() * float64(late.by))
		}
		u -= late.share
	}
	return 0
}

// order places an order where the slot is free, else pauses, resumes or
// cancels the one that is there.
func (l *load) order(e *event.Event, s *slot) {
	if *s == 0 {
		e.Kind, *s = event.PlaceOrder, slot(l.made)<<1
		e.Currency = [...]string{"EUR", "USD", "BTC"}[l.below(3)]
		e.Quantity, e.Price = decimal(1+l.below(10_000)), decimal(1+l.below(1_000_000))
	}
	e.Ref = "o-" + strconv.Itoa(int(*s>>1))
	switch {
	case e.Kind == event.PlaceOrder:
	case l.unit() < 0.5:
		e.Kind, *s = event.Cancel, 0
	case *s&1 == 0:
		e.Kind, *s = event.Pause, *s|1
	default:
		e.Kind, *s = event.Resume, *s&^1
	}
}

func (l *load) fresh(kind event.Kind, id string, rank int, at event.Time) event.Event {
	var e event.Event
	e.Clear()
	e.Kind, e.ID, e.User, e.OccurredAt, e.Asset = kind, id, userOf(rank), at, event.DefaultAsset
	return e
}

func (l *load) message(e *event.Event) message {
	return message{topic: e.Kind.Topic(), user: e.User, id: e.ID, value: l.format(nil, e)}
}

// decimal is so many hundredths.
func decimal(hundredths int) event.Decimal {
	d, err := event.ParseDecimal(fmt.Sprintf("%d.%02d", hundredths/100, hundredths%100))
	if err != nil {
		panic(fmt.Sprintf("bench: hundredths make no decimal: %v", err))
	}
	return d
}
