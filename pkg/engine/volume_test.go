package engine_test

import (
	"fmt"
	"testing"

	"highwater/pkg/event"
	"highwater/pkg/oracle"
	"highwater/pkg/oracle/gen"
)

// trimmed is an account of which much leaves memory at once, behind a volume
// with a shift that doesn't fit into its chapters' beside theirs: late adds
// shift it, a late subtract so many seconds before the last one on time opens
// it, and as many other late adds shift it again. Of the first grant so many
// credits are left that it runs out in what left memory.
func trimmed(subtracts, left, back int) gen.Scenario {
	const lateAdds, atOnce = 10, 60
	s := gen.Scenario{Config: oracle.Config{Lateness: 5 * second, IdleTimeout: 2 * second, FutureSkew: 10 * second, Settled: true}}
	now, sent := event.Time(100*second), 0
	var tx gen.Transaction
	send := func(kind event.Kind, amount int, at event.Time) {
		sent++
		tx.Arrivals = append(tx.Arrivals, oracle.Arrival{
			Event: event.Event{
				ID: fmt.Sprintf("e%03d", sent), User: gen.Users[0], Asset: event.DefaultAsset, TimeGiven: true, Kind: kind, Amount: event.Amount(amount),
				OccurredAt: at, EffectiveAt: event.NoTime, ExpiresAt: event.NoTime,
			},
			Input: event.Position{Topic: kind.Topic(), Offset: int64(sent)}, ArrivedAt: now,
		})
	}
	end := func(step event.Time) {
		tx.Now = now
		s.Transactions = append(s.Transactions, tx)
		tx = gen.Transaction{}
		now += step
	}
	send(event.Add, subtracts+1-left, now)
	send(event.Add, 1000, now+second/2)
	end(second)
	for range subtracts {
		send(event.Subtract, 1, now)
		end(second)
	}
	last := now - second
	now += 20 * second
	end(second)
	shift := func() {
		for range lateAdds {
			send(event.Add, 1, 101*second)
			end(second)
		}
	}
	shift()
	send(event.Subtract, 1, last-event.Time(back)*second)
	end(second)
	shift()
	for range atOnce {
		send(event.Subtract, 1, now)
		now += second / 100
	}
	for range 4 {
		end(20 * second)
	}
	send(event.Subtract, 1, 102*second)
	end(second)
	for k := range event.Time(30) {
		send(event.Subtract, 1, last+20*second+k*second/20)
		end(second)
	}
	return s
}

// I13: chapters that are made while a volume before them is opened have digests
// of what they did.
func TestChaptersMadeBehindAShiftedVolume(t *testing.T) {
	for left := 8; left <= 48; left += 5 {
		for n := range 16 {
			s := trimmed(130+n%4, left, 62+3*(n/4))
			h := newHost(s.Config, 1<<30)
			h.cfg = h.cfg.Small(2, 4, 10, 60, 1, 0, 0)
			h.open()
			s.Run(func(tx *gen.Transaction, _ *oracle.Model, want *oracle.Records) bool {
				got, err := h.run(tx)
				if err != nil {
					t.Fatal(err)
				}
				inKeyOrder(got)
				if d := oracle.Diff(want, got); d != "" {
					t.Fatalf("%d left, variant %d, at %s: %s", left, n, oracle.TimeText(tx.Now), d)
				}
				return true
			})
		}
	}
}
