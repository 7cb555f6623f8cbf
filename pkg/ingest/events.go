package ingest

import (
	"net/http"

	"highwater/pkg/api"
	"highwater/pkg/codec"
	"highwater/pkg/event"
)

// events serves the route that takes any events: one, an array, or a stream.
func (s *Service) events(w http.ResponseWriter, r *http.Request, _ *api.Params) error {
	media, err := contentType(r, jsonType, ndjsonType)
	if err != nil {
		return err
	}
	if media == ndjsonType {
		if err := noKey(r); err != nil {
			return err
		}
		return s.stream(w, r)
	}
	key, err := keyOf(r)
	if err != nil {
		return err
	}
	body := newWhole(w, r)
	small, err := body.fits(codec.MaxEventBytes)
	if err != nil {
		return err
	}
	switch body.first() {
	case 0:
		if small {
			return errEmpty
		}
		return tooLarge("the body begins with more than %d bytes of white space", codec.MaxEventBytes)
	case '[':
		if err := noKey(r); err != nil {
			return err
		}
		return s.array(w, body, small)
	}
	if !small {
		return tooLarge("the event has more than %d bytes", codec.MaxEventBytes)
	}
	g := given(key)
	var e event.Event
	if err := s.parseOne(body.buf.Bytes(), &g, key, &e); err != nil {
		return err
	}
	return s.recordOne(w, &e)
}

// array writes the events of a JSON array, the rest of which it reads first.
func (s *Service) array(w http.ResponseWriter, body *whole, small bool) error {
	if !small {
		select {
		case s.large <- struct{}{}:
			defer func() { <-s.large }()
		default:
			s.metrics.overloaded.Inc()
			return unavailable("too many large arrays are being read; nothing of this one was recorded: send it again later, or stream it as " + ndjsonType)
		}
		if err := body.upTo(MaxArrayBytes, "an array"); err != nil {
			return err
		}
	}
	writes, err := s.writeAll(body.buf.Bytes())
	if err != nil {
		return err
	}
	results := make([]Result, len(writes))
	recorded := false
	away := -1
	for i, wr := range writes {
		results[i] = s.answer(wr)
		recorded = recorded || results[i].Status == statusRecorded
		if away < 0 && results[i].Code == api.Unavailable {
			away = i
		}
	}
	if !recorded && away >= 0 {
		return unavailable("none of the events was recorded for certain; of the first one that wasn't: " + results[away].Message)
	}
	api.WriteJSON(w, http.StatusOK, mustJSON(results))
	return nil
}

// writeAll hands over every event of an array that can be told apart, in
// their order (I2).
func (s *Service) writeAll(array []byte) ([]*write, error) {
	count := 0
	for _, refusal := range codec.Elements(array) {
		if refusal != nil {
			return nil, refused(refusal)
		}
		if count++; count > MaxArrayEvents {
			return nil, tooLarge("the array has more than %d events", MaxArrayEvents)
		}
	}
	writes := make([]*write, 0, count)
	for element, refusal := range codec.Elements(array) {
		if refusal != nil {
			panic("ingest: an array is whole and broken: " + refusal.Error())
		}
		writes = append(writes, s.writeOne(element))
	}
	return writes, nil
}

// writeOne reads and hands over one of several events.
func (s *Service) writeOne(text []byte) *write {
	if len(text) > codec.MaxEventBytes {
		return refusedWrite("", api.TooLarge, longEvent)
	}
	g := given("")
	var e event.Event
	if refusal := codec.ParseGivenJSON(text, &g, &e); refusal != nil {
		return refusedWrite(knownID(&e, &g), refusal.Code.String(), describe(refusal))
	}
	return s.producer.write(&e)
}

// knownID is the id of an event that was refused, if its sender gave one that
// can be read.
func knownID(e *event.Event, g *codec.Given) string {
	if e.ID == g.SpareID || event.CheckID("event_id", e.ID) != nil {
		return ""
	}
	return string([]byte(e.ID)) // it aliases what is read into again
}
