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
func (s *Service) record(o operation) func(http.ResponseWriter, *http.Request, *api.Params) error {
	return s.writing(func(w http.ResponseWriter, r *http.Request, p *api.Params) error {
		key, err := keyOf(r)
		if err != nil {
			return err
		}
		body, err := readObject(w, r, o.bare)
		if err != nil {
			return err
		}
		g := given(key)
		g.Kind, g.User = o.kind, p.Path("user_id")
		if o.ref != "" {
			g.Ref = p.Path(o.ref)
		}
		return s.recordOne(w, body, &g, key)
	})
}

// recordOne writes one event and answers once Kafka has it.
func (s *Service) recordOne(w http.ResponseWriter, body []byte, g *codec.Given, key string) error {
	var e event.Event
	if refusal := parse(body, g, &e); refusal != nil {
		s.metrics.events[statusRefused].Inc()
		return refused(refusal)
	}
	if err := sameKey(key, &e); err != nil {
		s.metrics.events[statusRefused].Inc()
		return err
	}
	result := s.answer(s.producer.write(&e))
	if err := result.problem(); err != nil {
		return err
	}
	api.WriteJSON(w, http.StatusAccepted, mustJSON(&result))
	return nil
}

// parse reads an event that can be written. On a refusal, e has at most its
// id.
func parse(body []byte, g *codec.Given, e *event.Event) *event.Refusal {
	if refusal := codec.ParseGivenJSON(body, g, e); refusal != nil {
		return refusal
	}
	if e.Kind.IsConditional() {
		return &event.Refusal{Code: event.Invalid, Field: "type", Message: notYet(e.Kind)}
	}
	return nil
}

func notYet(k event.Kind) string {
	return "a " + k.String() + " can't be decided yet; grants, revokes, adds, subtracts and order commands can be sent"
}

// unbuilt serves a route whose operation can't be decided yet.
func unbuilt(detail string) func(http.ResponseWriter, *http.Request, *api.Params) error {
	return func(http.ResponseWriter, *http.Request, *api.Params) error {
		return api.Problemf(http.StatusNotImplemented, api.NotImplemented, "", "%s", detail)
	}
}
