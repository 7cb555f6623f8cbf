package ingest

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/service"
)

// Settings are those of the write API's binary.
type Settings struct {
	service.Shared
	service.Kafka
	service.HTTP
	Writing
	Waiting
}

// Writing bounds what the write API takes and how long it waits.
type Writing struct {
	// Format is the same setting as the processor's, for what is written here.
	Format string `name:"output-format" default:"single-object" enum:"single-object,confluent" help:"Framing of the Avro events; confluent needs schema.registry.url."`
	// ProduceTimeout bounds the wait for Kafka.
	ProduceTimeout time.Duration `name:"produce-timeout" default:"5s" min:"10ms" max:"5m" help:"How long a write waits for Kafka before it is answered with 503."`
	// StreamIdleTimeout bounds the wait for a stream's next event.
	StreamIdleTimeout time.Duration `name:"stream-idle-timeout" default:"5m" min:"10ms" max:"1d" help:"How long a stream may bring nothing before it is ended."`
	// MaxRequests bounds requests that are open.
	MaxRequests int `name:"max-requests" default:"1024" min:"1" max:"1000000" help:"Most requests that write at a time; further ones are answered with 503."`
	// MaxBuffered bounds events that wait for Kafka, all requests together.
	MaxBuffered int `name:"max-buffered-events" default:"50000" min:"1" max:"10000000" help:"Most events that wait for Kafka, all requests together; further ones wait their turn."`
	// MaxInFlight bounds events of one stream.
	MaxInFlight int `name:"max-events-in-flight" default:"1000" min:"1" max:"1000000" help:"Most events of one stream that wait for Kafka; no more are read before."`
}

// Waiting bounds the waits for outcomes.
type Waiting struct {
	// QueryURL is where the query service is; clients are sent there, too.
	QueryURL string `name:"query-url" default:"http://127.0.0.1:8082" help:"Query service: it is asked for outcomes of events that were sent again, and for the users of orders; a 202 points to it."`
	// OutcomeTimeout is how long an outcome is waited for where a request
	// doesn't say.
	OutcomeTimeout time.Duration `name:"outcome-timeout" default:"2s" max:"1h" help:"How long an outcome is waited for before the answer is 202, where the request has no Prefer: wait."`
	// MaxWait bounds what a request may say.
	MaxWait time.Duration `name:"max-wait" default:"1m" max:"1h" help:"Longest wait that Prefer: wait can ask for; a longer one is cut to it."`
	// MaxWaiting bounds requests that wait for an outcome.
	MaxWaiting int `name:"max-waiting-requests" default:"4096" min:"1" max:"1000000" help:"Most requests that wait for an outcome; further ones are answered with 202 once Kafka has their event."`
	// MaxFollowed bounds the partitions whose outcomes are read.
	MaxFollowed int `name:"max-followed-partitions" default:"1024" min:"1" max:"10000" help:"Most partitions whose outcomes are read at a time; those of further ones are asked of the query service."`
	// MaxReads bounds questions to the query service, of each of the two kinds.
	MaxReads int `name:"max-query-requests" default:"64" min:"1" max:"10000" help:"Most questions to the query service at a time about outcomes, and as many about users of orders; further ones wait their turn."`
}

// Validate refuses an address that can't be asked, and one with a password,
// since clients and the log are told it. Its errors don't repeat the address.
func (w Waiting) Validate() error {
	u, err := url.Parse(w.QueryURL)
	if err == nil && u.User != nil {
		return errors.New("query.url: it has a user or password (user:password@), which every client and the log would see; leave them out, and let what stands before the query service add them")
	}
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("query.url: want http://host:port or https://host:port")
	}
	return nil
}

// Defaults are the settings' values where nothing is set.
func Defaults() Settings {
	return Settings{HTTP: service.HTTP{Listen: "127.0.0.1:8081"}}
}

// Run runs the write API in a process's frame.
func Run(ctx context.Context, process *service.Process, settings *Settings) error {
	if err := Add(ctx, process, settings); err != nil {
		return err
	}
	return process.Group.Run(ctx)
}

// Add adds the write API's components to a process.
func Add(ctx context.Context, process *service.Process, settings *Settings) error {
	cfg, err := settings.Config(ctx, process)
	if err != nil {
		return err
	}
	server := service.NewServer("ingest", settings.HTTP, process.Logger)
	cfg.Stopping = server.Stopping()
	s, err := New(cfg)
	if err != nil {
		return err
	}
	process.Health.Add("kafka", s.Ready)
	// The server stops first: it takes no more and answers what it took. Only
	// then nobody waits for the producer any more.
	process.Group.Add(s.Component())
	process.Group.Add(server.Component(s.Handler(process.Mount(http.NewServeMux()))))
	return nil
}

// Config is what the settings say.
func (s *Settings) Config(ctx context.Context, process *service.Process) (Config, error) {
	connection, err := s.Options()
	if err != nil {
		return Config{}, err
	}
	cfg := Config{
		Names:             kafka.Names{Application: s.ApplicationID, Prefix: s.TopicPrefix},
		Client:            kafka.CommonOptions(connection, process.Logger),
		ProduceTimeout:    s.ProduceTimeout,
		StreamIdleTimeout: s.StreamIdleTimeout,
		MaxRequests:       s.MaxRequests,
		MaxBuffered:       s.MaxBuffered,
		MaxInFlight:       s.MaxInFlight,
		QueryURL:          s.QueryURL,
		OutcomeTimeout:    s.OutcomeTimeout,
		MaxWait:           s.MaxWait,
		MaxWaiting:        s.MaxWaiting,
		MaxFollowed:       s.MaxFollowed,
		MaxReads:          s.MaxReads,
		Logger:            process.Logger,
		Registry:          process.Metrics,
	}
	urls := s.RegistryURLs()
	if len(urls) == 0 {
		if s.Format == "confluent" {
			return Config{}, service.Usagef("output.format: confluent needs schema.registry.url")
		}
		return cfg, nil
	}
	registry, err := kafka.NewRegistry(urls...)
	if err != nil {
		return Config{}, service.Usagef("schema.registry.url: %w", err)
	}
	cfg.SchemaByID = registry.SchemaByID
	if s.Format == "confluent" {
		cfg.Encoder, err = confluent(ctx, registry, cfg.Names)
	}
	return cfg, err
}

// confluent registers the schemas of the input topics.
func confluent(ctx context.Context, registry *kafka.Registry, names kafka.Names) (*codec.Encoder, error) {
	ids := make(map[codec.Schema]uint32)
	for _, schema := range codec.Schemas() {
		ids[schema] = 0 // an encoder knows every schema; this one writes events alone
	}
	for _, topic := range event.Inputs {
		schema := codec.EventSchema(topic)
		var err error
		if ids[schema], err = registry.Register(ctx, names.Input(topic), schema.Text()); err != nil {
			return nil, err
		}
	}
	return codec.Confluent(ids)
}
