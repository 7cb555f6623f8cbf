package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"highwater/pkg/plain"
)

// isTerminal reports whether a person watches what is written to w.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	stat, err := file.Stat()
	return err == nil && stat.Mode()&os.ModeCharDevice != 0
}

const (
	drawEvery = 100 * time.Millisecond
	lineEvery = 5 * time.Second
	barWidth  = 30
)

// progress tells how far something is: a bar that is drawn over itself on a
// terminal, a line now and then elsewhere.
type progress struct {
	to       io.Writer
	terminal bool
	began    time.Time
	told     time.Time
}

func newProgress(to io.Writer) *progress {
	now := time.Now()
	return &progress{to: to, terminal: isTerminal(to), began: now, told: now}
}

// due reports whether it is time to tell again, so that what is told needn't
// be made for nothing.
func (p *progress) due() bool {
	every := lineEvery
	if p.terminal {
		every = drawEvery
	}
	return time.Since(p.told) >= every
}

// tell shows the state: done of total (0: nobody knows), and what to say.
func (p *progress) tell(done, total int64, text string) {
	p.told = time.Now()
	bar := ""
	if total > 0 {
		share := min(1, float64(done)/float64(total))
		bar = fmt.Sprintf("%3.0f%%  ", 100*share)
		if p.terminal {
			full := int(share * barWidth)
			bar = "[" + strings.Repeat("=", full) + strings.Repeat(" ", barWidth-full) + "] " + bar
		}
	}
	if p.terminal {
		fmt.Fprintf(p.to, "\r\x1b[2K%s%s", bar, text)
		return
	}
	fmt.Fprintf(p.to, "%s%s\n", bar, text)
}

// end takes the bar away.
func (p *progress) end() {
	if p.terminal {
		fmt.Fprint(p.to, "\r\x1b[2K")
	}
}

// pace is how many a second there have been.
func (p *progress) pace(n int64) string {
	seconds := time.Since(p.began).Seconds()
	if seconds <= 0 {
		return "0/s"
	}
	return plain.Number(int64(float64(n)/seconds)) + "/s"
}
