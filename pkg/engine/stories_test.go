package engine_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"

	"highwater/pkg/engine"
	"highwater/pkg/event"
	"highwater/pkg/oracle"
	"highwater/pkg/oracle/gen"
)

// The files under testdata/stories are one story each, told on the engine and
// held against the oracle record by record. The first line cites the rules
// that the story shows, by their ids in testdata/rules.txt. Commands:
//
//	partition [settings]     begins anew; settings as in a scenario's first
//	                         line
//	run [show=(topics)] [whole]
//	                         what the transactions below publish; without
//	                         whole, stamps and inputs are left out
//	account <user> <asset>   the balance over time, folded from everything
//	                         published ("orders" has none)
//	parts                    how the corrections published so far are cut
//
// Package gen tells the lines of a transaction. Stories have two more words
// for what would be long: "<a*128>" is 128 times the letter, "<U+0001>" that
// rune and "<0xff>" that byte; and "12 x subtract e# ..." is the line 12
// times, with the number of each in the place of #.
func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		t.Helper()
		s := &story{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			t.Helper()
			switch d.Cmd {
			case "partition":
				*s = story{text: strings.Join(append([]string{"partition"}, settings(d)...), " ") + "\n"}
				return ""
			case "run":
				s.text += unfold(t, d) + "\n"
				return s.run(t, d)
			case "account":
				steps := s.fold.Steps(d.CmdArgs[0].Key, d.CmdArgs[1].Key)
				return folded(oracle.StepsText(steps)) + "\n"
			case "parts":
				return s.parts.String()
			}
			d.Fatalf(t, "%q is not a command", d.Cmd)
			return ""
		})
	})
}

// settings are the words of a partition's line.
func settings(d *datadriven.TestData) []string {
	var words []string
	for _, a := range d.CmdArgs {
		if len(a.Vals) == 0 {
			words = append(words, a.Key)
			continue
		}
		words = append(words, a.Key+"="+strings.Join(a.Vals, ","))
	}
	return words
}

// story is what happened to one partition so far.
type story struct {
	text string
	// told is how many transactions have been printed.
	told  int
	fold  *oracle.Fold
	parts strings.Builder
}

// run plays the whole story again from its beginning, on the model, on an
// engine that keeps everything in memory, on one that keeps what is open and on
// one that keeps nothing, and prints what is new.
func (s *story) run(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	scenario, err := gen.Parse(s.text)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	hosts := []*host{newHost(scenario.Config, noMemory), newHost(scenario.Config, allMemory), newHost(scenario.Config, recentMemory), newHost(scenario.Config, noMemory)}
	hosts[0].cfg = hosts[0].cfg.WithoutStates()
	hosts[0].open()
	s.fold = oracle.NewFold()
	s.parts.Reset()
	var out strings.Builder
	n := 0
	scenario.Run(func(tx *gen.Transaction, m *oracle.Model, want *oracle.Records) bool {
		var got *oracle.Records
		for _, h := range hosts {
			if got, err = h.run(tx); err != nil {
				d.Fatalf(t, "at tx %s: %v", oracle.TimeText(tx.Now), err)
			}
			inKeyOrder(got)
			if diff := oracle.Diff(want, got); diff != "" {
				d.Fatalf(t, "at tx %s: %s", oracle.TimeText(tx.Now), diff)
			}
		}
		s.listen(t, d, m, got)
		if n++; n > s.told {
			fmt.Fprintf(&out, "tx %s\n", oracle.TimeText(tx.Now))
			tell(&out, d, got)
		}
		return true
	})
	if a, b := lasting(hosts[0].rows), lasting(hosts[1].rows); a != b {
		d.Fatalf(t, "the engine that keeps nothing in memory left other rows than the one that keeps everything")
	}
	s.told = n
	return out.String()
}

// lasting are the rows but for the due rows, of which an engine that loads an
// account again may write one more: it can't tell that an earlier one stands.
func lasting(m *memory) string {
	const dueRows = engine.FirstEngineKey + 5
	m.DeleteRange([]byte{dueRows}, []byte{dueRows + 1})
	return m.String()
}

// listen folds what a transaction published and holds that against a replay.
func (s *story) listen(t *testing.T, d *datadriven.TestData, m *oracle.Model, r *oracle.Records) {
	t.Helper()
	for i := range r.Corrections {
		c := &r.Corrections[i]
		fmt.Fprintf(&s.parts, "%s part %d of %d: %d stretches, %d entries\n", c.Cause.EventID, c.Part, c.Parts, len(c.Changes), len(c.Entries))
	}
	if err := s.fold.Publish(r.Entries, r.Corrections); err != nil {
		d.Fatalf(t, "%v", err)
	}
	for _, name := range s.fold.Accounts() {
		line, head := m.Said(name.User, name.Asset)
		if c := s.fold.Contradicts(name.User, name.Asset, line, head); c != "" {
			d.Fatalf(t, "%s", c)
		}
	}
}

var (
	stampsAndInputs = regexp.MustCompile(`( arrived=\S+)? input=\S+| \| seq=.*`)
	many            = regexp.MustCompile(`(?m)^(\d+) x (.*)$`)
	letters         = regexp.MustCompile(`<(.)\*(\d+)>`)
	runes           = regexp.MustCompile(`<U\+([0-9A-F]{4})>`)
	bytes           = regexp.MustCompile(`<0x([0-9a-f]{2})>`)
	long            = regexp.MustCompile(`a{40,}|z{40,}|é{20,}`)
)

// tell prints the records of the topics that a scene wants shown.
func tell(out *strings.Builder, d *datadriven.TestData, r *oracle.Records) {
	var show []string
	if a, ok := d.Arg("show"); ok {
		show = a.Vals
	}
	aside := 0
	for line := range strings.Lines(r.String()) {
		topic, _, _ := strings.Cut(line, " ")
		if topic == "dead-letter" {
			// What a record is put aside for isn't compared, but told.
			if field := r.DeadLetters[aside].Field; field != "" {
				line = strings.Replace(line, " |", " field="+field+" |", 1)
			}
			aside++
		}
		if show != nil && !slices.Contains(show, topic) {
			continue
		}
		if !d.HasArg("whole") {
			line = stampsAndInputs.ReplaceAllString(line, "")
		}
		out.WriteString("  " + folded(strings.TrimRight(line, "\n")) + "\n")
	}
}

// unfold writes the words for long things out.
func unfold(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	number := func(s string, base int) int {
		n, err := strconv.ParseUint(s, base, 31)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		return int(n)
	}
	text := letters.ReplaceAllStringFunc(d.Input, func(s string) string {
		m := letters.FindStringSubmatch(s)
		return strings.Repeat(m[1], number(m[2], 10))
	})
	text = runes.ReplaceAllStringFunc(text, func(s string) string { return string(rune(number(s[3:7], 16))) })
	text = bytes.ReplaceAllStringFunc(text, func(s string) string { return string([]byte{byte(number(s[3:5], 16))}) })
	return many.ReplaceAllStringFunc(text, func(s string) string {
		m := many.FindStringSubmatch(s)
		var lines []string
		for i := range number(m[1], 10) {
			lines = append(lines, strings.ReplaceAll(m[2], "#", strconv.Itoa(i+1)))
		}
		return strings.Join(lines, "\n")
	})
}

// folded writes long runs of a letter as unfold reads them.
func folded(line string) string {
	return long.ReplaceAllStringFunc(line, func(s string) string {
		r, size := utf8.DecodeRuneInString(s)
		return fmt.Sprintf("<%c*%d>", r, len(s)/size)
	})
}

// elsewhere are the codes that no story of the engine can bring about.
var elsewhere = map[event.Code]string{event.AmbiguousOrder: "HTTP alone answers it"}

var ruleID = regexp.MustCompile(`^(\d+(\.[a-z0-9_]+)+|r\d+)$`)

// Every rule of testdata/rules.txt is cited by a story, every story cites
// rules that are there, and every code that the engine can give is given in
// one.
func TestEveryRuleHasAStory(t *testing.T) {
	cited := map[string]string{}
	given := map[event.Code]bool{}
	code := regexp.MustCompile(`\((\w+)\)|dead-letter (\w+)`)
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		headline, _, _ := strings.Cut(string(text), "\n")
		words := strings.Fields(strings.TrimPrefix(headline, "# "))
		cites := 0
		for cites < len(words) && ruleID.MatchString(words[cites]) {
			cited[words[cites]] = path
			cites++
		}
		if !strings.HasPrefix(headline, "# ") || cites == 0 || cites == len(words) {
			t.Errorf("the first line must cite rules and say what the story is, such as %q: it is %q", "# 4.5 r13 A grant ...", headline)
		}
		for _, m := range code.FindAllStringSubmatch(string(text), -1) {
			if c, ok := event.ParseCode(m[1] + m[2]); ok {
				given[c] = true
			}
		}
	})
	for id, rule := range rules(t) {
		if cited[id] == "" {
			t.Errorf("no story cites %s: %s", id, rule)
		}
		delete(cited, id)
	}
	for id, path := range cited {
		t.Errorf("%s cites %s, which testdata/rules.txt doesn't have", filepath.Base(path), id)
	}
	for c := event.Malformed; c <= event.UnknownSchema; c++ {
		if reason, other := elsewhere[c]; given[c] == other {
			t.Errorf("code %s: given in a story is %v; given elsewhere: %q", c, given[c], reason)
		}
	}
}

// Every reading is a rule that a story shows, but for those of the shell.
func TestEveryReadingIsARule(t *testing.T) {
	text, err := os.ReadFile("../../docs/decisions/0001-readings.md")
	if err != nil {
		t.Fatal(err)
	}
	shell := map[string]string{
		"25": "records of more than max.event.bytes are refused before the engine sees them",
		"43": "records are cut where their bytes are known",
		"42": "what a retry over HTTP is answered with is found by ingest",
	}
	all := rules(t)
	readings := regexp.MustCompile(`(?m)^(\d+)\. `).FindAllStringSubmatch(string(text), -1)
	if len(readings) == 0 {
		t.Fatal("no readings are found")
	}
	for _, m := range readings {
		if rule := all["r"+m[1]]; (rule == "") != (shell[m[1]] != "") {
			t.Errorf("reading %s is the rule %q of testdata/rules.txt, and one of the shell: %q", m[1], rule, shell[m[1]])
		}
	}
}

// rules are those that stories must show, by their ids.
func rules(t *testing.T) map[string]string {
	t.Helper()
	f, err := os.Open("testdata/rules.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, rule, ok := strings.Cut(line, " ")
		if !ok || !ruleID.MatchString(id) || all[id] != "" {
			t.Fatalf("testdata/rules.txt: %q isn't an id of its own and a rule", line)
		}
		all[id] = strings.TrimSpace(rule)
	}
	return all
}
