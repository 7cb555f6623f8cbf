package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/kafka"
	"highwater/pkg/service"
)

// pingWithin bounds the wait for any broker to answer.
const pingWithin = 10 * time.Second

// Installation says which topics on which Kafka a command is about.
type Installation struct {
	// ApplicationID and TopicPrefix are those of the services' shared settings.
	ApplicationID string `name:"application-id" default:"highwater" help:"Prefix of transactional ids, groups and internal topics."`
	TopicPrefix   string `name:"topic-prefix" help:"Goes before the name of every input and output topic."`
	service.Kafka
}

// Validate checks the names as the services do.
func (i Installation) Validate() error {
	return service.Shared{ApplicationID: i.ApplicationID, TopicPrefix: i.TopicPrefix, DataDir: "."}.Validate()
}

func (i *Installation) names() kafka.Names {
	return kafka.Names{Application: i.ApplicationID, Prefix: i.TopicPrefix}
}

// connect makes a client once a broker has answered, so that the first thing a
// person reads about a wrong address isn't a client's retries.
func (i *Installation) connect(ctx context.Context, p *service.Process, options func(common []kgo.Opt) []kgo.Opt) (*kgo.Client, error) {
	connection, err := i.Options()
	if err != nil {
		return nil, err
	}
	if err := i.ping(ctx, connection); err != nil {
		return nil, err
	}
	common := kafka.CommonOptions(connection, p.Logger)
	if options != nil {
		common = options(common)
	}
	client, err := kgo.NewClient(common...)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return client, nil
}

func (i *Installation) ping(ctx context.Context, connection []kgo.Opt) error {
	quiet, err := kgo.NewClient(connection...)
	if err != nil {
		return service.Usagef("settings of Kafka: %w", err)
	}
	defer quiet.Close()
	within, cancel := context.WithTimeout(ctx, pingWithin)
	defer cancel()
	err = quiet.Ping(within)
	switch {
	case err == nil || ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("nothing within %s", service.FormatDuration(pingWithin))
	}
	return fmt.Errorf("no broker answers at %s (%w): start one with `highwater dev` or `make kafka`, or name yours with --bootstrap-servers",
		i.BootstrapServers, err)
}

// decoder reads values in any of their forms.
func (i *Installation) decoder(ctx context.Context) (*codec.Decoder, error) {
	urls := i.RegistryURLs()
	if len(urls) == 0 {
		return &codec.Decoder{}, nil
	}
	registry, err := kafka.NewRegistry(urls...)
	if err != nil {
		return nil, service.Usagef("schema.registry.url: %w", err)
	}
	return &codec.Decoder{SchemaByID: func(id uint32) (string, error) { return registry.SchemaByID(ctx, id) }}, nil
}

// partitions is how many there are of each topic.
func (i *Installation) partitions(ctx context.Context, client *kgo.Client) (int32, error) {
	return kafka.PartitionCount(ctx, client, i.names())
}

// examples is the end of a command's help: indented lines stay as they are.
func examples(about string, lines ...string) string {
	var b strings.Builder
	if about != "" {
		b.WriteString(about + "\n\n")
	}
	b.WriteString("Examples:\n")
	for _, line := range lines {
		b.WriteString("\n    " + line)
	}
	return b.String()
}
