package dev

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// screen writes lines, and on a terminal keeps a status line below them.
type screen struct {
	to       io.Writer
	terminal bool

	mu sync.Mutex
	// status, guarded by mu, is what the last line shows.
	status string
	// told, guarded by mu, is when the status was last written as a line.
	told time.Time
}

// statusEvery is how often the status is written where it can't be redrawn.
const statusEvery = 10 * time.Second

func newScreen(to io.Writer) *screen {
	s := &screen{to: to, told: time.Now()}
	if file, ok := to.(*os.File); ok && os.Getenv("TERM") != "dumb" {
		stat, err := file.Stat()
		s.terminal = err == nil && stat.Mode()&os.ModeCharDevice != 0
	}
	return s
}

// line writes a line above the status.
func (s *screen) line(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	fmt.Fprintf(s.to, format+"\n", args...)
	s.draw()
}

// show replaces the status; "" takes it away.
func (s *screen) show(status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.terminal {
		s.clear()
		s.status = status
		s.draw()
		return
	}
	if status != "" && time.Since(s.told) >= statusEvery {
		s.told = time.Now()
		fmt.Fprintln(s.to, status)
	}
}

// clear and draw need mu.
func (s *screen) clear() {
	if s.terminal && s.status != "" {
		fmt.Fprint(s.to, "\r\x1b[2K")
	}
}

func (s *screen) draw() {
	if s.terminal && s.status != "" {
		fmt.Fprint(s.to, s.status)
	}
}

// strong makes a heading stand out where it can.
func (s *screen) strong(text string) string { return s.style("1", text) }

// faint makes what explains stand back.
func (s *screen) faint(text string) string { return s.style("2", text) }

func (s *screen) style(code, text string) string {
	if !s.terminal || os.Getenv("NO_COLOR") != "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
