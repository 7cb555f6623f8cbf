package oracle_test

import (
	"fmt"
	"regexp"
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
//	run [show=(topics)] [brief]
//	                        steps the model through the transactions below and
//	                        prints what they published; brief leaves out where
//	                        a record came from and its stamp
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
		var w *world
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "partition":
				var words []string
				for _, a := range d.CmdArgs {
					word := a.Key
					if len(a.Vals) > 0 {
						word += "=" + strings.Join(a.Vals, ",")
					}
					words = append(words, word)
				}
				c, err := gen.ParseConfig(words)
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				w = &world{
					model: oracle.NewModel(c), fold: oracle.NewFold(), config: strings.Join(words, " "),
					offsets: map[event.Topic]int64{},
				}
				return ""
			case "run":
				return w.run(t, d)
			case "timeline":
				line, _ := w.model.Said(account(d))
				var b strings.Builder
				for _, it := range line.Items {
					fmt.Fprintf(&b, "@%s %s %s -> %+v\n", oracle.TimeText(it.Place.Time), it.ID, oracle.ResultText(&it.Result), it.Result.After)
				}
				return b.String()
			case "balance":
				line, _ := w.model.Said(account(d))
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

var whence = regexp.MustCompile(` (arrived|input)=\S+| \| seq=.*`)

// world is one partition as a script has told it so far.
type world struct {
	model     *oracle.Model
	fold      *oracle.Fold
	config    string
	transfers gen.Transfers
	offsets   map[event.Topic]int64
}

func (w *world) run(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	s, err := gen.Parse("partition " + w.config + "\n" + d.Input)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	var show []string
	brief := false
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "show":
			show = a.Vals
		case "brief":
			brief = true
		}
	}
	var b strings.Builder
	for _, tx := range s.Transactions {
		for i := range tx.Arrivals {
			a := &tx.Arrivals[i]
			a.Input.Offset = w.offsets[a.Input.Topic]
			w.offsets[a.Input.Topic]++
		}
		tx = w.transfers.Resolve(tx, 0)
		r := tx.Step(w.model)
		w.transfers.Sent(r)
		fmt.Fprintf(&b, "tx %s\n", oracle.TimeText(tx.Now))
		for line := range strings.Lines(r.String()) {
			topic, _, _ := strings.Cut(line, " ")
			if brief {
				line = whence.ReplaceAllString(line, "")
			}
			if show == nil || slices.Contains(show, topic) {
				b.WriteString("  " + line)
			}
		}
		if err := w.fold.Publish(r.Entries, r.Corrections); err != nil {
			d.Fatalf(t, "%v", err)
		}
		for _, name := range w.fold.Accounts() {
			line, head := w.model.Said(name.User, name.Asset)
			if c := w.fold.Contradicts(name.User, name.Asset, line, head); c != "" {
				d.Fatalf(t, "%s", c)
			}
		}
	}
	return b.String()
}
