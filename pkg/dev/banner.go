package dev

import (
	"fmt"
	"strings"
	"time"

	"highwater/pkg/event"
	"highwater/pkg/trace"
)

// exampleUser is one of the sample's users, or a new one.
func (s *Settings) exampleUser() string {
	if s.Sample {
		return trace.User(42)
	}
	return "alice"
}

// banner says what dev is for, and where everything is.
func (s *screen) banner(a addresses, dir string) {
	s.line("%s  everything in one process, for trying and for learning", s.strong("Highwater dev"))
	s.line("%s", s.faint("Not for anything that matters: the broker is an imitation, a crash can tear its transactions, and nobody has to log in."))
	s.line("")
	s.line("  Kafka       %s", a.kafka)
	s.line("  registry    %s", url(a.registry))
	s.line("  write API   %s/docs", url(a.ingest))
	s.line("  read API    %s/docs   a page to look at: %s/", url(a.query), url(a.query))
	s.line("  processor   %s/metrics", url(a.processor))
	if dir == "" {
		s.line("  data        nothing is kept; --data-dir keeps it")
	} else {
		s.line("  data        kept in %s", dir)
	}
	s.line("")
}

// examples are lines to copy.
func (s *screen) examples(a addresses, user string, now time.Time) {
	balance := fmt.Sprintf("%s/v1/users/%s/balance", url(a.query), user)
	at := func(t time.Time) string { return event.TimeOf(t.Truncate(time.Second)).AsTime().Format(time.RFC3339) }
	spend := fmt.Sprintf(`{"type":"subtract","event_id":"mine-1","user_id":%q,"amount":500}`, user)
	flags := ""
	if a.kafka != "127.0.0.1:9092" {
		flags = " --bootstrap-servers " + a.kafka
	}
	for _, part := range []struct {
		title string
		lines []string
	}{
		{"Give and use credits", []string{
			fmt.Sprintf(`curl --json '{"grant_id":"gift-1","amount":10000,"expires_at":"%s"}' %s/v1/users/%s/grants`, at(now.AddDate(0, 0, 5)), url(a.ingest), user),
			fmt.Sprintf(`curl --json '{"amount":250}' %s/v1/users/%s/subtracts`, url(a.ingest), user),
			fmt.Sprintf(`curl --json '{"event_id":"spend-1","amount":400}' %s/v1/users/%s/spends`, url(a.ingest), user),
			fmt.Sprintf(`echo '%s' | kcat -b %s -P -t subtracts -k %s -X topic.partitioner=murmur2_random`, spend, a.kafka, user),
		}},
		{"Ask: now, half an hour ago, in a week", []string{
			fmt.Sprintf(`curl '%s'`, balance),
			fmt.Sprintf(`curl '%s?at=%s'`, balance, at(now.Add(-30*time.Minute))),
			fmt.Sprintf(`curl '%s?at=%s'`, balance, at(now.AddDate(0, 0, 7))),
		}},
		{"Watch", []string{
			fmt.Sprintf(`kcat -b %s -C -t entries -X isolation.level=read_committed -o beginning -e -f '%%k at %%p/%%o, %%S bytes\n'`, a.kafka),
			"highwater tail entries corrections --user " + user + " --from-beginning" + flags,
		}},
		{"Prove that every balance is right", []string{"highwater verify" + flags}},
	} {
		s.line("%s", s.strong(part.title))
		s.line("  %s", strings.Join(part.lines, "\n  "))
	}
	s.line("")
}
