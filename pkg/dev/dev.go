package dev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/service"
)

// Run runs everything until the context ends.
func Run(ctx context.Context, process *service.Process, settings *Settings) (err error) {
	dir := settings.DataDir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "highwater-dev-"); err != nil {
			return fmt.Errorf("data.dir: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }() // I3
	}
	at, err := settings.choose(ctx)
	if err != nil {
		return err
	}
	connection := settings.connection(at)
	options, err := connection.Options()
	if err != nil {
		return err
	}
	names := kafka.Names{Application: "highwater"}
	client := kafka.CommonOptions(options, process.Logger)
	screen := newScreen(process.Stdout)
	screen.banner(at, settings.DataDir)

	registry, err := startRegistry(ctx, at.registry)
	if err != nil {
		return err
	}
	group := process.Group
	// Everything speaks to the broker, so it starts first and stops last.
	group.Add(broker(at.kafka, settings.DataDir))
	// The topics' schemas are registered.
	group.Add(registry)
	group.Add(topics(names, settings.Partitions, client, url(at.registry)))
	shown := &console{
		names: names, client: client, partitions: settings.Partitions, registry: url(at.registry), screen: screen,
		news: newNews(), marks: make(map[int32]event.Time),
	}
	if settings.Sample {
		shown.sample = newSample(names, client, settings.Partitions, settings.SampleOver)
		// Before the processor: see opening.
		group.Add(service.Component{Name: "sample opening", Start: shown.sample.open})
	}
	if err := settings.addServices(ctx, process, names, at, dir); err != nil {
		return err
	}
	// Before what it reads is written.
	group.Add(service.Component{Name: "console", Start: shown.start, Run: shown.run})
	if shown.sample != nil {
		group.Add(service.Component{Name: "sample", Run: shown.sample.run})
	}
	// Last: it waits for all of the above.
	group.Add(service.Component{Name: "ready", Start: func(ctx context.Context) error {
		if err := awaitReady(ctx, process.Health); err != nil {
			return err
		}
		screen.examples(at, settings.exampleUser(), time.Now())
		if settings.Sample {
			screen.line("%s", screen.strong("Late events, and what they rewrite (times are UTC)"))
		}
		return nil
	}})
	if err := group.Run(ctx); err != nil {
		return err
	}
	screen.line("stopped")
	return nil
}
