package trace

import (
	"fmt"
	"time"

	"highwater/pkg/event"
)

// Options say what to make of the trace.
type Options struct {
	// Seed decides everything that is random.
	Seed uint64
	// Rows is how many rows of the trace there are to be, from the first on; 0
	// is all of them.
	Rows int
	// Users is how many users share the rows.
	Users int
	// Assets are what users spend; each row is of one of them.
	Assets []string
	// End moves all times so that the last row happens then; 0 leaves them.
	End event.Time
	// JSON makes JSON events instead of Avro single objects.
	JSON bool
	// Shuffle bounds the delay with which a record arrives.
	Shuffle time.Duration
	// Lateness is what the processors allow: a late record arrives so long
	// after its event, and after every shuffled one, that the watermark has
	// passed it.
	Lateness time.Duration
	// LatePercent of the rows come late. DuplicatePercent come twice, now and
	// then in the other encoding. BadPercent is how many records that end as
	// dead letters are added for each hundred rows.
	LatePercent, DuplicatePercent, BadPercent float64
	// Orders adds commands on orders.
	Orders bool
}

// Defaults is the load that Highwater is tried with: 200 users, arrival
// shuffled by up to 30 s, 5 % later than the watermark, 2 % duplicates, 1 %
// bad records.
func Defaults() Options {
	return Options{
		Seed: 1, Users: 200, Assets: []string{event.DefaultAsset},
		Shuffle: 30 * time.Second, Lateness: 10 * time.Second,
		LatePercent: 5, DuplicatePercent: 2, BadPercent: 1,
		Orders: true,
	}
}

// User is the id of one user, of those from 0 to [Options.Users] - 1.
func User(n int) string { return fmt.Sprintf("user-%03d", n) }

// Record is one record of an input topic.
type Record struct {
	Topic event.Topic
	Key   []byte
	Value []byte
	// At is when it arrives, in the trace's (moved) time.
	At event.Time
	// Bad is the code it ends with as a dead letter; NoCode for events.
	Bad event.Code
	// Copy is true for a second copy of an event.
	Copy bool
}
