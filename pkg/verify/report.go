package verify

import (
	"fmt"
	"io"
	"math/big"
	"strings"
)

// maxExamples is how many counterexamples of one check are told.
const maxExamples = 5

// The checks by name; see the package doc.
const (
	checkTopics       = "topics"
	checkCaughtUp     = "caught-up"
	checkChangelog    = "changelog"
	checkRecords      = "records"
	checkSeq          = "seq"
	checkStamps       = "stamps"
	checkKeys         = "keys"
	checkInputs       = "inputs"
	checkDeadLetters  = "dead-letters"
	checkDecisions    = "decisions"
	checkConservation = "conservation"
	checkEntries      = "entries"
	checkCorrections  = "corrections"
	checkTimelines    = "timelines"
	checkBalances     = "balances"
	checkSettled      = "settled"
	checkOrderStates  = "order-states"
	checkOrderStats   = "order-stats"
	checkAlerts       = "alerts"
	checkWatermarks   = "watermarks"
	checkReplicas     = "replicas"
	checkPending      = "pending"
	checkCovered      = "covered"
	checkDecidedOnce  = "decided-once"
	checkTransfers    = "transfers"
	checkMoney        = "money"
)

var checkOrder = []string{
	checkTopics, checkCaughtUp, checkChangelog, checkRecords, checkSeq, checkStamps, checkKeys,
	checkInputs, checkDeadLetters, checkDecisions, checkConservation, checkEntries, checkCorrections,
	checkTimelines, checkBalances, checkSettled, checkOrderStates, checkOrderStats, checkAlerts,
	checkWatermarks, checkReplicas, checkPending, checkCovered, checkDecidedOnce, checkTransfers, checkMoney,
}

// report is what was found.
type report struct{ checks map[string]*check }

// check is one line of the report.
type check struct {
	counts   []count
	examples []string
	failures int
}

// count is a number of things; a sum may be wider, and stands in wide then.
type count struct {
	what string
	n    int64
	wide *big.Int
}

func newReport() *report {
	r := &report{checks: map[string]*check{}}
	for _, name := range checkOrder {
		r.checks[name] = &check{}
	}
	return r
}

// count adds to what a check has looked at.
func (r *report) count(name, what string, n int) {
	c := r.checks[name]
	for i := range c.counts {
		if c.counts[i].what == what {
			c.counts[i].n += int64(n)
			return
		}
	}
	c.counts = append(c.counts, count{what: what, n: int64(n)})
}

// sum tells a sum of credits.
func (r *report) sum(name, what string, n *big.Int) {
	c := r.checks[name]
	c.counts = append(c.counts, count{what: what, wide: n})
}

// fail notes a counterexample.
func (r *report) fail(name, format string, args ...any) {
	c := r.checks[name]
	c.failures++
	if len(c.examples) < maxExamples {
		c.examples = append(c.examples, fmt.Sprintf(format, args...))
	}
}

func (r *report) ok() bool {
	for _, c := range r.checks {
		if c.failures > 0 {
			return false
		}
	}
	return true
}

// print writes one line a check, and counterexamples below those that failed.
func (r *report) print(w io.Writer) error {
	var b strings.Builder
	for _, name := range checkOrder {
		c := r.checks[name]
		var counted []string
		for _, n := range c.counts {
			number := big.NewInt(n.n)
			if n.wide != nil {
				number = n.wide
			}
			counted = append(counted, grouped(number)+" "+n.what)
		}
		said := strings.Join(counted, ", ")
		if said == "" {
			said = "nothing to look at"
		}
		if c.failures == 0 {
			fmt.Fprintf(&b, "ok   %s: %s\n", name, said)
			continue
		}
		fmt.Fprintf(&b, "FAIL %s: %s\n", name, c.examples[0])
		for _, example := range c.examples[1:] {
			fmt.Fprintf(&b, "     %s\n", example)
		}
		if more := c.failures - len(c.examples); more > 0 {
			fmt.Fprintf(&b, "     and %s more\n", grouped(big.NewInt(int64(more))))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// grouped is n with a comma before each three digits.
func grouped(n *big.Int) string {
	s := n.String()
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
