package dev

import (
	"context"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"highwater/pkg/ingest"
	"highwater/pkg/kafka"
	"highwater/pkg/processor"
	"highwater/pkg/query"
	"highwater/pkg/service"
)

// stopWithin is how long open requests may go on at the end: nobody waits for
// a program that is being tried.
const stopWithin = 2 * time.Second

// connection is what the services share.
func (s *Settings) connection(a addresses) service.Kafka {
	return service.Kafka{
		BootstrapServers: a.kafka, SecurityProtocol: "PLAINTEXT", SSLEndpointIdentificationAlgorithm: "https",
		SchemaRegistryURL: url(a.registry),
	}
}

func (s *Settings) shared(names kafka.Names, dir, name string) service.Shared {
	return service.Shared{ApplicationID: names.Application, TopicPrefix: names.Prefix, DataDir: filepath.Join(dir, name)}
}

func listen(address string) service.HTTP {
	return service.HTTP{Listen: address, ShutdownTimeout: stopWithin}
}

// part is the process as one service sees it. Its metrics are its own and the
// process's: two services have some by the same name.
func part(p *service.Process) *service.Process {
	own := *p
	own.Metrics = prometheus.NewRegistry()
	own.Metrics.MustRegister(p.Metrics)
	return &own
}

// addServices adds the services as they are, in the order of the data's way.
func (s *Settings) addServices(ctx context.Context, p *service.Process, names kafka.Names, at addresses, dir string) error {
	for _, add := range []func(context.Context, *service.Process, kafka.Names, addresses, string) error{
		s.addProcessor, s.addIngest, s.addQuery,
	} {
		if err := add(ctx, part(p), names, at, dir); err != nil {
			return err
		}
	}
	return nil
}

func (s *Settings) addProcessor(ctx context.Context, p *service.Process, names kafka.Names, a addresses, dir string) error {
	settings := service.Default[processor.Settings]()
	settings.Shared, settings.Kafka = s.shared(names, dir, "processor"), s.connection(a)
	settings.Time, settings.Output, settings.Policies = s.Time, s.Output, s.Policies
	settings.HTTP = listen(a.processor)
	settings.GroupInstanceID = "none" // it needn't be waited for when it comes again
	return processor.Add(ctx, p, &settings)
}

func (s *Settings) addIngest(ctx context.Context, p *service.Process, names kafka.Names, a addresses, dir string) error {
	settings := service.Default[ingest.Settings]()
	settings.Shared, settings.Kafka, settings.HTTP = s.shared(names, dir, "ingest"), s.connection(a), listen(a.ingest)
	settings.Format = s.Output.Format
	settings.QueryURL = url(a.query)
	return ingest.Add(ctx, p, &settings)
}

func (s *Settings) addQuery(ctx context.Context, p *service.Process, names kafka.Names, a addresses, dir string) error {
	settings := service.Default[query.Settings]()
	settings.Shared, settings.Kafka, settings.HTTP = s.shared(names, dir, "query"), s.connection(a), listen(a.query)
	return query.Add(ctx, p, &settings)
}
