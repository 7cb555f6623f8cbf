package bench

import (
	"fmt"
	"io"
	"strings"

	"highwater/pkg/plain"
)

// Print writes the figures for people.
func (r *Result) Print(to io.Writer) {
	first := r.Runs[0]
	outputs := "every output on"
	if !r.Settled {
		outputs = "settled off"
	}
	if r.Compression != "" && r.Compression != "none" {
		outputs += ", " + r.Compression
	}
	fmt.Fprintf(to, "workload    %s: %s of %s, %s; %s, %s, seed %d, %s\n", r.Workload, plain.Count(first.Events, "event", "events"),
		plain.Count(first.Users, "user", "users"), outputs, plain.Count(r.Processors, "processor", "processors"),
		plain.Count(r.Partitions, "partition", "partitions"), r.Seed, plain.Count(len(r.Runs), "run", "runs"))
	m := r.Machine
	fmt.Fprintf(to, "machine     %s, %.1f GiB, %s; %s, %s, Kafka %s\n", plain.Count(m.Cores, "core", "cores"), float64(m.Memory)/(1<<30), m.CPU, m.OS, m.Go, m.Kafka)
	widest := 0
	for _, f := range r.Summary {
		widest = max(widest, len(f.Name))
	}
	for _, f := range r.Summary {
		fmt.Fprintf(to, "%-*s %12s %s", widest, f.Name, figure(f.Median), f.Unit)
		if len(r.Runs) > 1 {
			fmt.Fprintf(to, " (%s to %s)", figure(f.Min), figure(f.Max))
		}
		fmt.Fprintln(to)
	}
	for n, run := range r.Runs {
		run.printVerdict(to, fmt.Sprintf("run %d", n+1))
		if run.Against != nil {
			run.Against.printVerdict(to, fmt.Sprintf("run %d, compared with", n+1))
		}
	}
}

func (r *RunResult) printVerdict(to io.Writer, name string) {
	if q := r.Query; q != nil {
		if q.refused() {
			fmt.Fprintf(to, "%s: FAILED: ", name)
		} else {
			fmt.Fprintf(to, "%s: ", name)
		}
		fmt.Fprintf(to, "%s compared with what was published last, %d wrong or failed\n", plain.Count(q.Compared, "answer", "answers"), len(q.Wrong))
		for _, wrong := range q.Wrong[:min(len(q.Wrong), maxTold)] {
			fmt.Fprintf(to, "  %s\n", wrong)
		}
	}
	v := r.Verification
	switch {
	case !v.Verified:
		fmt.Fprintf(to, "%s: not verified: %s\n", name, v.Reason)
	case v.Good:
		fmt.Fprintf(to, "%s: verified: the outputs are those of a replay from zero\n", name)
	default:
		fmt.Fprintf(to, "%s: FAILED: the outputs are not those of a replay from zero; its figures mean nothing\n", name)
		for line := range strings.Lines(v.Said) {
			if !strings.HasPrefix(line, "ok") {
				fmt.Fprintf(to, "  %s", line)
			}
		}
	}
}

// figure writes a number with as many digits as anybody can use.
func figure(n float64) string {
	switch {
	case n >= 1000:
		return plain.Number(int64(n + 0.5))
	case n >= 10:
		return fmt.Sprintf("%.1f", n)
	}
	return fmt.Sprintf("%.3f", n)
}
