package ingest

import (
	"bufio"
	"errors"
	"io"
)

// lineBufferBytes is what a stream reads ahead.
const lineBufferBytes = 64 << 10

// errLongLine says that a line was longer than allowed. It was skipped; the
// next one can be read.
var errLongLine = errors.New("the line is too long")

// lines reads a text line by line, in bounded memory.
type lines struct {
	in       *bufio.Reader
	maxBytes int
	// long is a line that doesn't fit what is read ahead.
	long []byte
	err  error
}

func newLines(in io.Reader, maxBytes int) *lines {
	return &lines{in: bufio.NewReaderSize(in, lineBufferBytes), maxBytes: maxBytes}
}

// next is the next line without its end, valid until the call after. At the
// end of the text it gives what follows the last line end, maybe nothing, and
// io.EOF; where reading failed, what came of the line, and the error.
func (l *lines) next() ([]byte, error) {
	if l.err != nil {
		return nil, l.err
	}
	l.long = nil
	length := 0
	for {
		part, err := l.in.ReadSlice('\n')
		if err == nil {
			part = part[:len(part)-1]
		}
		length += len(part)
		switch {
		case length > l.maxBytes:
			l.long = nil
		case err != nil || length > len(part):
			l.long = append(l.long, part...)
			part = l.long
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			l.err = err
		}
		if length > l.maxBytes {
			return nil, errLongLine
		}
		return part, err
	}
}
