package query

import (
	"context"
	"net/http"
	"path/filepath"
	"time"

	"highwater/pkg/kafka"
	"highwater/pkg/replica"
	"highwater/pkg/service"
	"highwater/pkg/state"
)

// Settings are those of the read API's binary.
type Settings struct {
	service.Shared
	service.Kafka
	service.HTTP
	Reading
}

// Reading bounds what reads may take.
type Reading struct {
	// MinPositionTimeout bounds the wait for a min_position, or for current.
	MinPositionTimeout time.Duration `name:"min-position-timeout" default:"2s" min:"1ms" max:"1m" help:"How long a read waits for its min_position, or for what is current, before it is answered with 503."`
	// ReadTimeout bounds a read.
	ReadTimeout time.Duration `name:"read-timeout" default:"10s" min:"10ms" max:"10m" help:"How long a read may take in all before it is answered with 503."`
	// MaxReads bounds open snapshots.
	MaxReads int `name:"max-reads" default:"256" min:"1" max:"100000" help:"Most reads at a time; further ones wait their turn."`
	// MaxWaits bounds reads that wait for a position.
	MaxWaits int `name:"max-waits" default:"4096" min:"1" max:"1000000" help:"Most reads that wait for their min_position; further ones are answered with 503."`
	// BlockCacheBytes is the same setting as the processor's, for the states
	// here.
	BlockCacheBytes service.Bytes `name:"block-cache-bytes" default:"128MiB" min:"1MiB" help:"Memory for blocks of the store, all partitions together."`
}

// Defaults are the settings' values where nothing is set.
func Defaults() Settings {
	return Settings{HTTP: service.HTTP{Listen: "127.0.0.1:8082"}}
}

// Run runs the read API in a process's frame.
func Run(ctx context.Context, process *service.Process, settings *Settings) error {
	if err := Add(ctx, process, settings); err != nil {
		return err
	}
	return process.Group.Run(ctx)
}

// Add adds the read API's components to a process.
func Add(_ context.Context, process *service.Process, settings *Settings) error {
	connection, err := settings.Options()
	if err != nil {
		return err
	}
	s := New(Config{
		WaitTimeout: settings.MinPositionTimeout, ReadTimeout: settings.ReadTimeout,
		MaxReads: settings.MaxReads, MaxWaits: settings.MaxWaits,
		Logger: process.Logger, Registry: process.Metrics,
	})
	states := state.NewMetrics()
	process.Metrics.MustRegister(states)
	f := &followers{
		service:    s,
		names:      kafka.Names{Application: settings.ApplicationID, Prefix: settings.TopicPrefix},
		client:     kafka.CommonOptions(connection, process.Logger),
		dir:        filepath.Join(settings.DataDir, settings.ApplicationID, "query"),
		cacheBytes: int64(settings.BlockCacheBytes),
		log:        process.Logger,
		states:     states,
		replicas:   replica.NewMetrics(process.Metrics),
	}
	process.Health.Add("replicas", s.Ready)
	server := service.NewServer("query", settings.HTTP, process.Logger)
	// The server stops first, so that no read is left when the states close.
	process.Group.Add(f.component())
	process.Group.Add(server.Component(s.Handler(process.Mount(http.NewServeMux()))))
	return nil
}
