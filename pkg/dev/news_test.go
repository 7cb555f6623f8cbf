package dev

import (
	"strings"
	"testing"

	"highwater/pkg/event"
)

const noon = event.Time(1767268800_000000)

// late is a correction for one user.
func late(user string, seconds int64, entries int, changes ...event.Stretch) *event.Correction {
	return &event.Correction{
		Cause: event.Cause{EventID: "e", Kind: event.Subtract, LateBy: seconds * 1_000_000}, UserID: user, Asset: event.DefaultAsset,
		Entries: make([]event.EntryChange, entries), Changes: changes, Part: 1, Parts: 1,
	}
}

func stretch(from, to event.Time, balance int64) event.Stretch {
	return event.Stretch{From: from, To: to, Balances: event.Balances{Balance: balance}}
}

func TestNews(t *testing.T) {
	for _, c := range []struct {
		name        string
		corrections []*event.Correction
		want        string
	}{
		{"nothing", nil, ""},
		{"nobody was late", []*event.Correction{late("alice", 0, 2)}, ""},
		{"one", []*event.Correction{late("alice", 12, 3, stretch(noon, event.NoTime, -1200))},
			"alice: 1 event 12s late changed 3 entries, balance 12:00:00 to now -1,200"},
		{"balances alone", []*event.Correction{late("alice", 12, 0, stretch(noon, noon+1_000_000, 7))},
			"alice: 1 event 12s late, balance 12:00:00 to 12:00:01 +7"},
		{"several of one user", []*event.Correction{
			late("alice", 12, 3, stretch(noon, event.NoTime, -1200)),
			late("alice", 74, 1, stretch(noon-60_000_000, noon, -5), stretch(noon, event.NoTime, -10)),
		}, "alice: 2 events up to 1m14s late changed 4 entries, balance 11:59:00 to now -1,210"},
		{"the one who says most", []*event.Correction{late("alice", 12, 1), late("bob", 2, 4), late("carol", 3, 4)},
			"carol: 1 event 3s late changed 4 entries  (and 2 other users)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNews()
			for _, correction := range c.corrections {
				n.add(correction)
			}
			got, ok := n.tell()
			if got != c.want || ok != (c.want != "") {
				t.Errorf("got  %q, %v\nwant %q", got, ok, c.want)
			}
			if again, ok := n.tell(); ok {
				t.Errorf("told twice: %q", again)
			}
		})
	}
}

func TestNewsCountsParts(t *testing.T) {
	n := newNews()
	first, second := late("alice", 12, 300), late("alice", 12, 200)
	first.Parts, second.Parts, second.Part = 2, 2, 2
	n.add(first)
	n.add(second)
	if n.corrections != 1 || n.entries != 500 {
		t.Errorf("%d corrections of %d entries, want 1 of 500", n.corrections, n.entries)
	}
}

// TestScreen: where nobody watches, the status is a line now and then.
func TestScreen(t *testing.T) {
	var out strings.Builder
	s := newScreen(&out)
	s.line("one %d", 1)
	s.show("status")
	s.line("%s", s.strong("two"))
	if want := "one 1\ntwo\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	out.Reset()
	s.terminal = true
	s.show("status")
	s.line("three")
	s.show("")
	if want := "status\r\x1b[2Kthree\nstatus\r\x1b[2K"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
