package bench

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	"highwater/pkg/codec"
	"highwater/pkg/event"
)

// The mix, in hundredths of the events.
const (
	grantPercent     = 4
	addPercent       = 2
	orderPercent     = 8
	latePercent      = 2
	duplicatePercent = 0.5
)

const (
	second = event.Time(1_000_000)
	// lateBy is how late a late event is at most.
	lateBy = 60 * second
)

// message is one record of the load.
type message struct {
	topic event.Topic
	user  string
	id    string
	value []byte
	// copied is whether the event was made before.
	copied bool
}

// load makes events (I1).
type load struct {
	users   int
	rng     *rand.Rand
	encoder *codec.Encoder
	made    int
	// last is what a duplicate repeats.
	last message
	// open is how many orders each user was given.
	open map[int]int
}

func newLoad(seed uint64, users int) *load {
	return &load{users: users, rng: rand.New(rand.NewPCG(seed, 0x62656e6368)), encoder: codec.SingleObject(), open: make(map[int]int)}
}

// next is an event of about this time.
func (l *load) next(now event.Time) message {
	if l.made > 0 && l.chance(duplicatePercent) {
		again := l.last
		again.copied = true
		return again
	}
	l.made++
	n := l.rng.IntN(l.users)
	var e event.Event
	e.Clear()
	e.ID, e.User, e.OccurredAt, e.Asset = "b-"+strconv.Itoa(l.made), fmt.Sprintf("user-%06d", n), now, event.DefaultAsset
	if l.chance(latePercent) {
		e.OccurredAt -= event.Time(l.rng.Int64N(int64(lateBy)))
	}
	switch p := l.rng.Float64() * 100; {
	case p < grantPercent:
		e.Kind, e.Ref, e.Amount = event.Grant, "g-"+e.ID, event.Amount(1000+l.rng.IntN(100_000))
		e.ExpiresAt = e.OccurredAt + event.Time(1+l.rng.IntN(30))*24*3600*second
		e.Priority = int32(l.rng.IntN(3))
	case p < grantPercent+addPercent:
		e.Kind, e.Amount = event.Add, event.Amount(1000+l.rng.IntN(10_000))
	case p < grantPercent+addPercent+orderPercent:
		l.order(&e, n)
	default:
		e.Kind, e.Amount = event.Subtract, event.Amount(1+l.rng.IntN(2000))
	}
	l.last = message{topic: e.Kind.Topic(), user: e.User, id: e.ID, value: l.encoder.AppendEvent(nil, &e)}
	return l.last
}

// order places an order, or does something to the user's last one.
func (l *load) order(e *event.Event, user int) {
	kinds := [...]event.Kind{event.PlaceOrder, event.Pause, event.Resume, event.Cancel}
	e.Kind = kinds[l.rng.IntN(len(kinds))]
	if l.open[user] == 0 {
		e.Kind = event.PlaceOrder
	}
	if e.Kind == event.PlaceOrder {
		l.open[user]++
		e.Currency = [...]string{"EUR", "USD", "BTC"}[l.rng.IntN(3)]
		e.Quantity = decimal(1 + l.rng.IntN(1000))
		e.Price = decimal(1 + l.rng.IntN(100_000))
	}
	e.Ref = "o-" + strconv.Itoa(l.open[user])
}

// decimal is so many hundredths.
func decimal(hundredths int) event.Decimal {
	d, err := event.ParseDecimal(fmt.Sprintf("%d.%02d", hundredths/100, hundredths%100))
	if err != nil {
		panic(fmt.Sprintf("bench: hundredths make no decimal: %v", err))
	}
	return d
}

func (l *load) chance(percent float64) bool { return l.rng.Float64()*100 < percent }
