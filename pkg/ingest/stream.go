package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"highwater/pkg/api"
	"highwater/pkg/codec"
	"highwater/pkg/event"
)

var longEvent = fmt.Sprintf("the event has more than %d bytes", codec.MaxEventBytes)

// stream takes events as NDJSON, and gives their results while more are read.
//
// One goroutine reads and hands over, the other waits and answers; between
// them are at most MaxInFlight writes. Whoever is slow, Kafka or the reader of
// the results, so slows the reading down.
func (s *Service) stream(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.ProduceTimeout)
	err := s.topics.wait(ctx)
	cancel()
	if err != nil {
		return unavailable("nothing was recorded: " + err.Error())
	}
	control := http.NewResponseController(w)
	s.metrics.streams.Inc()
	defer s.metrics.streams.Dec()
	w.Header().Set("Content-Type", ndjsonType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Header.Get("Expect") == "" {
		// Some senders begin once they have an answer to read.
		w.WriteHeader(http.StatusOK)
		_ = control.Flush()
	}

	in := &inbound{body: r.Body, control: control, idle: s.cfg.StreamIdleTimeout}
	writes := make(chan *write, s.cfg.MaxInFlight)
	answered := make(chan struct{})
	defer close(answered)
	go func() {
		select {
		case <-s.cfg.Stopping:
			in.stop(errStopping)
		case <-answered:
		}
	}()
	go func() {
		defer close(writes)
		s.readStream(in, writes)
	}()
	if err := s.answerStream(writes, newOutbound(w, control)); err != nil {
		in.stop(errGone)
		for range writes { // the reading goroutine must end before the request does
		}
		s.cfg.Logger.Info("stream was cut off", "error", err)
		panic(http.ErrAbortHandler) // an answer that breaks off isn't whole
	}
	in.leave()
	return nil
}

// answerStream writes the result of each write, in order (I2).
func (s *Service) answerStream(writes <-chan *write, out *outbound) error {
	for {
		var wr *write
		var ok bool
		select {
		case wr, ok = <-writes:
		default:
			if err := out.flush(); err != nil {
				return err
			}
			wr, ok = <-writes
		}
		if !ok {
			return out.end()
		}
		if !wr.isOver() {
			if err := out.flush(); err != nil {
				return err
			}
		}
		result := s.answer(wr)
		if err := out.line(mustJSON(&result)); err != nil {
			return err
		}
	}
}

// readStream hands over the events of a stream until it ends.
func (s *Service) readStream(in io.Reader, writes chan<- *write) {
	text := newLines(in, codec.MaxEventBytes)
	for {
		line, err := text.next()
		blank := len(bytes.Trim(line, " \t\r")) == 0
		switch {
		case errors.Is(err, errLongLine):
			writes <- refusedWrite("", api.TooLarge, longEvent)
			continue
		case err != nil && !errors.Is(err, io.EOF):
			if !blank {
				writes <- refusedWrite("", event.Malformed.String(), "the request broke off within this event; send it again")
			}
			if last := lastWord(err); last != nil {
				writes <- last
			}
			return
		case !blank:
			writes <- s.writeOne(line)
		}
		if err != nil {
			return
		}
	}
}

// lastWord is a result about no event: why the answer ends before the request
// does. nil where nobody would hear it.
func lastWord(err error) *write {
	switch {
	case errors.Is(err, errIdle):
		return refusedWrite("", "stream_idle", "nothing came for too long, and the stream was ended; send further events in another request")
	case errors.Is(err, errStopping):
		return refusedWrite("", "stopping", "the service stops, and the stream was ended; send further events in another request")
	case errors.Is(err, errGone):
		return nil
	}
	return refusedWrite("", event.Malformed.String(), "the stream can't be read on: "+shorten(err.Error()))
}
