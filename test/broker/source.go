package broker

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// A source is one way to a broker.
type source struct {
	// missing says what this source lacks on this machine; nothing: it can be used.
	missing func() string
	// start returns the bootstrap servers.
	start func() (string, error)
}

// errNone is what choose returns where no source can be used.
var errNone = errors.New("no real Kafka broker")

// choose starts the first source that can be used.
func choose(sources []source) (string, error) {
	var lacks []string
	for _, s := range sources {
		lack := s.missing()
		if lack == "" {
			return s.start()
		}
		lacks = append(lacks, lack)
	}
	return "", noneError{lacks}
}

type noneError struct{ lacks []string }

func (e noneError) Error() string { return errNone.Error() + ": " + strings.Join(e.lacks, "; ") }
func (e noneError) Unwrap() error { return errNone }

// required says whether a test without a broker fails instead of being skipped.
func required() bool { return os.Getenv("HIGHWATER_REQUIRE_KAFKA") == "1" }

func verdict(tb testing.TB, err error) {
	tb.Helper()
	switch {
	case err == nil:
	case errors.Is(err, errNone) && !required():
		tb.Skip(err)
	default:
		tb.Fatal(err)
	}
}
