package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/service"
	"highwater/pkg/trace"
)

// item is one event to send.
type item struct {
	// number counts from 1: lines of a file, records of the trace.
	number int64
	// line is the event as JSON; nil where it is ready to be produced.
	line []byte
	// tooLong is set instead where the line is larger than any event.
	tooLong bool
	// ready is a record of the trace; nil for lines.
	ready *trace.Record
}

// source yields what is to be sent. At the end, ok is false.
type source interface {
	next() (i item, ok bool, err error)
	// far is how far it is: done of total, in a unit of its own; 0 where
	// nobody knows the total. Any goroutine may ask.
	far() (done, total int64)
}

// lines is a source of one JSON event a line.
type lines struct {
	from   *bufio.Reader
	number int64
	buffer []byte
	read   atomic.Int64
	size   int64
}

func newLines(from io.Reader, size int64) *lines {
	return &lines{from: bufio.NewReaderSize(from, 64<<10), size: size}
}

func (l *lines) far() (done, total int64) { return l.read.Load(), l.size }

// next reads a line that isn't blank.
func (l *lines) next() (item, bool, error) {
	for {
		tooLong, err := l.readLine()
		if err != nil && !errors.Is(err, io.EOF) {
			return item{}, false, fmt.Errorf("read line %d: %w", l.number+1, err)
		}
		line := bytes.TrimSpace(l.buffer)
		if err != nil && len(line) == 0 && !tooLong {
			return item{}, false, nil
		}
		l.number++
		if len(line) > 0 || tooLong {
			return item{number: l.number, line: bytes.Clone(line), tooLong: tooLong}, true, nil
		}
	}
}

// readLine reads one line into the buffer, which never grows beyond an event.
func (l *lines) readLine() (tooLong bool, err error) {
	l.buffer = l.buffer[:0]
	for {
		part, err := l.from.ReadSlice('\n')
		l.read.Add(int64(len(part)))
		if len(l.buffer)+len(part) > codec.MaxEventBytes+1 {
			tooLong, l.buffer = true, l.buffer[:0]
		}
		if !tooLong {
			l.buffer = append(l.buffer, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return tooLong, err
		}
	}
}

// openFile is the source of a file's lines, or of the standard input's.
func openFile(p *service.Process, name string) (source, io.Closer, error) {
	if name == "" || name == "-" {
		return newLines(p.Stdin, 0), io.NopCloser(nil), nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, nil, service.Usagef("file: %w", err)
	}
	var size int64
	if stat, err := file.Stat(); err == nil && stat.Mode().IsRegular() {
		size = stat.Size()
	}
	return newLines(file, size), file, nil
}

// sample is a source of the trace's records.
type sample struct {
	records []trace.Record
	at      atomic.Int64
}

// newSample ends the trace now, so that it is news. Through HTTP only events
// can be sent, no broken bytes.
func newSample(asJSON, broken bool) *sample {
	options := trace.Defaults()
	options.End = event.TimeOf(time.Now())
	options.JSON = asJSON
	if !broken {
		options.BadPercent = 0
	}
	records := trace.Generate(options)
	if !broken {
		for i := range records {
			if records[i].Copy && records[i].Value[0] != '{' {
				records[i].Value = nil
			}
		}
	}
	return &sample{records: records}
}

func (s *sample) far() (done, total int64) { return s.at.Load(), int64(len(s.records)) }

func (s *sample) next() (item, bool, error) {
	for {
		n := s.at.Load()
		if n == int64(len(s.records)) {
			return item{}, false, nil
		}
		s.at.Store(n + 1)
		if r := &s.records[n]; r.Value != nil {
			return item{number: n + 1, ready: r}, true, nil
		}
	}
}
