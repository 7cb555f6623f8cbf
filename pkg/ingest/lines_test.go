package ingest

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// readLines is all that lines gives: each line, too long ones as "!", and the
// error at the end.
func readLines(in io.Reader, maxBytes int) (all []string, err error) {
	l := newLines(in, maxBytes)
	for {
		line, err := l.next()
		switch {
		case errors.Is(err, errLongLine):
			all = append(all, "!")
			continue
		case err != nil:
			if len(line) > 0 {
				all = append(all, string(line))
			}
			if again, other := l.next(); !errors.Is(other, err) || again != nil {
				return nil, errors.New("the end doesn't last")
			}
			return all, err
		}
		all = append(all, string(line))
	}
}

// split is the same in the simplest way.
func split(text string, maxBytes int) (all []string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if len(line) > maxBytes {
			line = "!"
		}
		all = append(all, line)
	}
	return all
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", lineBufferBytes)
	for _, text := range []string{
		"", "\n", "a", "a\n", "a\nb", "\n\na\n", "a\r\nb", long, long + "\n" + long, long[:lineBufferBytes-1] + "\na", long + long + long + "\nshort\n",
	} {
		for _, maxBytes := range []int{1, 5, lineBufferBytes - 1, lineBufferBytes, 2 * lineBufferBytes, 3 * lineBufferBytes} {
			got, err := readLines(strings.NewReader(text), maxBytes)
			if want := split(text, maxBytes); !errors.Is(err, io.EOF) || !equal(got, want) {
				t.Errorf("%.20q, at most %d bytes: %d lines, want %d; %v", text, maxBytes, len(got), len(want), err)
			}
		}
	}
}

// What came of a line isn't lost, or taken for a line, where reading fails.
func TestLinesFail(t *testing.T) {
	broken := errors.New("broken")
	got, err := readLines(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(broken)), 10)
	if !errors.Is(err, broken) || !equal(got, []string{"a", "b"}) {
		t.Errorf("%q, %v", got, err)
	}
	got, err = readLines(io.MultiReader(strings.NewReader("too long"), iotest.ErrReader(broken)), 3)
	if !errors.Is(err, broken) || !equal(got, []string{"!"}) {
		t.Errorf("%q, %v", got, err)
	}
}

func equal(a, b []string) bool {
	return strings.Join(a, "\n") == strings.Join(b, "\n") && len(a) == len(b)
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nbc\r\n\n d"), uint16(3), uint8(0))
	f.Add(bytes.Repeat([]byte("x"), 100), uint16(99), uint8(1))
	f.Fuzz(func(t *testing.T, text []byte, maxBytes uint16, pieces uint8) {
		// Texts longer than what is read ahead, without feeding them in full.
		text = bytes.ReplaceAll(text, []byte("%"), bytes.Repeat([]byte("%"), lineBufferBytes/3))
		var in io.Reader = bytes.NewReader(text)
		switch pieces % 3 {
		case 1:
			in = iotest.HalfReader(in)
		case 2:
			in = iotest.DataErrReader(in)
		}
		maxLine := int(maxBytes) * 4
		got, err := readLines(in, maxLine)
		if want := split(string(text), maxLine); !errors.Is(err, io.EOF) || !equal(got, want) {
			t.Errorf("%d lines, want %d; %v", len(got), len(want), err)
		}
	})
}
