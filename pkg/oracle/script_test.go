package oracle_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"highwater/pkg/event"
	"highwater/pkg/oracle"
	"highwater/pkg/oracle/gen"
)

// The scripts under testdata are stories of one rule each. Their commands:
//
//	partition [settings]    begins anew; settings as in a scenario's first line
//	run [show=(topics)]     steps the model through the transactions below and
//	                        prints what they published
//	timeline <user> <asset> prints every item of an account ("orders" for the
//	                        user's orders)
//	balance <user> <asset> <seconds>...
//
// See package gen for the lines of a transaction. After each transaction the
// fold of everything published is held against the replay.
//
//nolint:thelper // the functions are the tests themselves, not helpers of one
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var m *oracle.Model
		var fold *oracle.Fold
		var head string
		offsets := map[event.Topic]int64{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "partition":
				var words []string
				for _, a := range d.CmdArgs {
					words = append(words, strings.Join(append([]string{a.Key}, a.Vals...), "="))
				}
				c, err := gen.ParseConfig(words)
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				m, fold, head = oracle.NewModel(c), oracle.NewFold(), strings.Join(words, " ")
				clear(offsets)
				return ""
			case "run":
				s, err := gen.Parse("partition " + head + "\n" + d.Input)
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				return run(t, d, m, fold, s, offsets)
			case "timeline":
				line, _ := m.Said(account(d))
				var b strings.Builder
				for _, it := range line.Items {
					fmt.Fprintf(&b, "@%s %s %s -> %+v\n", oracle.TimeText(it.Place.Time), it.ID, oracle.ResultText(&it.Result), it.Result.After)
				}
				return b.String()
			case "balance":
				line, _ := m.Said(account(d))
				var b strings.Builder
				for _, a := range d.CmdArgs[2:] {
					var seconds int64
					if _, err := fmt.Sscan(a.Key, &seconds); err != nil {
						d.Fatalf(t, "%v", err)
					}
					at, ok := line.BalanceAt(event.Time(seconds * 1_000_000))
					if !ok {
						fmt.Fprintf(&b, "@%d null\n", seconds)
						continue
					}
					fmt.Fprintf(&b, "@%d %+v\n", seconds, at)
				}
				return b.String()
			}
			d.Fatalf(t, "%q is not a command", d.Cmd)
			return ""
		})
	})
}

func account(d *datadriven.TestData) (user, asset string) {
	user, asset = d.CmdArgs[0].Key, d.CmdArgs[1].Key
	if asset == "orders" {
		asset = ""
	}
	return user, asset
}

func run(t *testing.T, d *datadriven.TestData, m *oracle.Model, fold *oracle.Fold, s gen.Scenario, offsets map[event.Topic]int64) string {
	t.Helper()
	var show []string
	for _, a := range d.CmdArgs {
		if a.Key == "show" {
			show = a.Vals
		}
	}
	var b strings.Builder
	for _, tx := range s.Transactions {
		if tx.TakeOver {
			m.TakeOver()
		}
		if tx.Debt != nil {
			m.SetPolicies(gen.Policies(tx.Debt))
		}
		m.Begin(tx.Now)
		for _, a := range tx.Arrivals {
			a.Input.Offset = offsets[a.Input.Topic]
			offsets[a.Input.Topic]++
			m.Receive(a)
		}
		r := m.Commit()
		fmt.Fprintf(&b, "tx %s\n", oracle.TimeText(tx.Now))
		for line := range strings.Lines(r.String()) {
			topic, _, _ := strings.Cut(line, " ")
			if show == nil || slices.Contains(show, topic) {
				b.WriteString("  " + line)
			}
		}
		if err := fold.Publish(r.Entries, r.Corrections); err != nil {
			d.Fatalf(t, "%v", err)
		}
		for _, name := range fold.Accounts() {
			line, head := m.Said(name.User, name.Asset)
			if c := fold.Contradicts(name.User, name.Asset, line, head); c != "" {
				d.Fatalf(t, "%s", c)
			}
		}
	}
	return b.String()
}
