package ingest

import (
	"net/http"

	"highwater/pkg/api"
	"highwater/pkg/codec"
	"highwater/pkg/event"
)

// operation is a route that writes one event of a kind, about what its path
// names.
type operation struct {
	kind event.Kind
	// ref is the wildcard that the operation's reference is in; "" where it is
	// in the body, or there is none.
	ref string
	// bare says that the path says it all, and the body may be missing.
	bare bool
}

// record serves an operation that is answered once Kafka has it.
func (s *Service) record(o operation) serving {
	return s.writing(func(w http.ResponseWriter, r *http.Request, p *api.Params) error {
		d, err := s.readDecision(w, r, o, p.Path("user_id"), p)
		if err != nil {
			return err
		}
		return s.recordOne(w, &d.Event)
	})
}

// recordOne writes one event and answers once Kafka has it.
func (s *Service) recordOne(w http.ResponseWriter, e *event.Event) error {
	result := s.answer(s.producer.write(e))
	if err := result.problem(); err != nil {
		return err
	}
	api.WriteJSON(w, http.StatusAccepted, mustJSON(&result))
	return nil
}

// parseOne reads the event of a request of one, which its key may name.
func (s *Service) parseOne(body []byte, g *codec.Given, key string, e *event.Event) error {
	if refusal := codec.ParseGivenJSON(body, g, e); refusal != nil {
		s.metrics.events[statusRefused].Inc()
		return refused(refusal)
	}
	if err := sameKey(key, e); err != nil {
		s.metrics.events[statusRefused].Inc()
		return err
	}
	return nil
}
