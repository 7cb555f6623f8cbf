package dev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/service"
)

// broker is the embedded broker as a component; dir "" keeps everything in
// memory.
func broker(address, dir string) service.Component {
	var cluster *kfake.Cluster
	return service.Component{
		Name: "broker",
		Start: func(ctx context.Context) (err error) {
			options := []kfake.Opt{
				kfake.NumBrokers(1),
				// It would listen on a port of its own choice, and answer with that.
				kfake.ListenFn(func(network, _ string) (net.Listener, error) {
					return new(net.ListenConfig).Listen(ctx, network, address)
				}),
			}
			if dir != "" {
				options = append(options, kfake.DataDir(filepath.Join(dir, "broker")))
			}
			cluster, err = kfake.NewCluster(options...)
			if err != nil {
				return fmt.Errorf("embedded broker on %s: %w", address, err)
			}
			return nil
		},
		Stop: func(context.Context) error {
			cluster.Close()
			return nil
		},
	}
}

// startRegistry starts the embedded schema registry at once, since services
// ask it while they are put together. The component stops it.
func startRegistry(ctx context.Context, address string) (service.Component, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return service.Component{}, fmt.Errorf("embedded schema registry: %w", err)
	}
	server := &http.Server{Handler: srfake.NewRegistry().Handler(), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	return service.Component{
		Name: "registry",
		Run: func(context.Context) error {
			if err := <-served; !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		},
		Stop: func(context.Context) error { return server.Close() },
	}, nil
}

// topics creates the topics and registers their schemas, so that any Avro
// producer finds them. The registry forgets at the end; in the order of this
// list every schema gets the number that it had.
func topics(names kafka.Names, partitions int32, client []kgo.Opt, registryURL string) service.Component {
	return service.Component{
		Name: "topics",
		Start: func(ctx context.Context) error {
			c, err := kgo.NewClient(client...)
			if err != nil {
				return err
			}
			defer c.Close()
			if _, err := kafka.Apply(ctx, c, kafka.Catalogue(names, partitions, -1)); err != nil {
				return err
			}
			r, err := kafka.NewRegistry(registryURL)
			if err != nil {
				return err
			}
			for _, t := range event.Inputs {
				if _, err := r.Register(ctx, names.Input(t), codec.EventSchema(t).Text()); err != nil {
					return err
				}
			}
			for _, o := range kafka.Outputs() {
				schema, ok := recordSchemas[o]
				if !ok {
					continue
				}
				if _, err := r.Register(ctx, names.Output(o), schema.Text()); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// recordSchemas has every output topic but dead-letters, whose values are as
// they came.
var recordSchemas = map[kafka.Output]codec.Schema{
	kafka.Entries:     codec.EntryRecord,
	kafka.Settled:     codec.EntryRecord,
	kafka.Corrections: codec.CorrectionRecord,
	kafka.Balances:    codec.BalanceRecord,
	kafka.OrderStates: codec.OrderStateRecord,
	kafka.OrderStats:  codec.OrderStatsRecord,
	kafka.Alerts:      codec.AlertRecord,
	kafka.Watermarks:  codec.WatermarkRecord,
}
