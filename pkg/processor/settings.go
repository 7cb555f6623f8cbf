package processor

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"highwater/pkg/codec"
	"highwater/pkg/engine"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/service"
	"highwater/pkg/shard"
)

// Settings are those of the processor's binary.
type Settings struct {
	service.Shared
	service.Kafka
	service.Time
	service.Output
	service.Processing
	service.Policies
	service.HTTP
	// GroupInstanceID tells processors apart: auto makes it of the host and
	// the address listened on, none makes the process no static member.
	GroupInstanceID string `name:"group-instance-id" default:"auto" help:"This process's place in the group, kept while it restarts: auto (host and listen), none (leave at once), or a name."`
	// Standbys is how many shards of other processors are kept warm here.
	Standbys int `name:"standbys" default:"0" min:"0" max:"10000" help:"How many shards of other processors to follow, so that taking one over is quick."`
}

// Defaults are the settings' values where nothing is set.
func Defaults() Settings {
	return Settings{HTTP: service.HTTP{Listen: "127.0.0.1:8083"}}
}

// gcPercent is Go's GOGC where the environment sets none.
const gcPercent = 400

// Run runs a processor in a process's frame.
func Run(ctx context.Context, process *service.Process, settings *Settings) error {
	// Most of the memory is caches of bounded size: collecting garbage less
	// often costs little of it and saves a sixth of the time.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(settings.HeapBytes())
	}
	if err := Add(ctx, process, settings); err != nil {
		return err
	}
	return process.Group.Run(ctx)
}

// Add adds a processor's components to a process.
func Add(ctx context.Context, process *service.Process, settings *Settings) error {
	cfg, err := settings.Config(ctx, process)
	if err != nil {
		return err
	}
	p := New(cfg)
	process.Health.Add("shards", func(context.Context) error { return p.Ready() })
	server := service.NewServer("admin", settings.HTTP, process.Logger)
	// First, so that a takeover that takes long can be watched.
	process.Group.Add(server.Component(process.Mount(http.NewServeMux())))
	process.Group.Add(service.Component{Name: "processor", Run: p.Run, StopTimeout: 25 * time.Second})
	return nil
}

// Config is what the settings say.
func (s *Settings) Config(ctx context.Context, process *service.Process) (Config, error) {
	connection, err := s.Options()
	if err != nil {
		return Config{}, err
	}
	policies, err := LoadPolicies(s.Policies)
	if err != nil {
		return Config{}, err
	}
	compression, err := kafka.Compression(s.Compression)
	if err != nil {
		return Config{}, service.Usagef("%w", err)
	}
	names := kafka.Names{Application: s.ApplicationID, Prefix: s.TopicPrefix}
	cfg := Config{
		Dir:             filepath.Join(s.DataDir, s.ApplicationID),
		InstanceID:      s.instanceID(),
		Standbys:        s.Standbys,
		BlockCacheBytes: int64(s.BlockCacheBytes),
		CacheBytes:      int(s.CacheBytes),
		Registry:        process.Metrics,
		Shard: shard.Config{
			Names:  names,
			Client: append(kafka.CommonOptions(connection, process.Logger), compression),
			Engine: engine.Config{
				Policies: policies, Settled: s.Settled, IdleHold: s.IdlePolicy == "hold",
				Lateness: s.AllowedLateness.Microseconds(), IdleTimeout: s.IdleTimeout.Microseconds(),
				FutureSkew: s.FutureSkew.Microseconds(), Horizon: s.RetentionHorizon.Microseconds(),
			},
			DeadLetterUnknownSchemas: s.UnknownSchema == "dead-letter",
			MaxEvents:                s.MaxEventsPerTransaction,
			MaxBytes:                 int(s.MaxBytesPerTransaction),
			Pacer:                    shard.NewPacer(s.CommitInterval),
			Logger:                   process.Logger,
		},
	}
	return cfg, s.useRegistry(ctx, &cfg.Shard)
}

// instanceID makes the process a static member, unless nothing that lasts
// tells it apart.
func (s *Settings) instanceID() string {
	switch s.GroupInstanceID {
	case "none":
		return ""
	case "auto":
		host, err := os.Hostname()
		if _, port, splitErr := net.SplitHostPort(s.Listen); err != nil || splitErr != nil || port == "0" {
			return ""
		}
		return host + "-" + strings.NewReplacer(":", "-", "[", "", "]", "").Replace(s.Listen)
	}
	return s.GroupInstanceID
}

// useRegistry reads schemas from the registry where there is one, and
// registers those of the outputs where they are framed for it.
func (s *Settings) useRegistry(ctx context.Context, cfg *shard.Config) error {
	urls := s.RegistryURLs()
	if len(urls) == 0 {
		if s.Format == "confluent" {
			return service.Usagef("output.format: confluent needs schema.registry.url")
		}
		return nil
	}
	registry, err := kafka.NewRegistry(urls...)
	if err != nil {
		return service.Usagef("schema.registry.url: %w", err)
	}
	cfg.SchemaByID = registry.SchemaByID
	if s.Format != "confluent" {
		return nil
	}
	ids := make(map[codec.Schema]uint32)
	for topic, schema := range schemasByTopic(cfg.Names) {
		if ids[schema], err = registry.Register(ctx, topic, schema.Text()); err != nil {
			return err
		}
	}
	cfg.Encoder, err = codec.Confluent(ids)
	return err
}

// schemasByTopic says which topic's values have which schema.
func schemasByTopic(names kafka.Names) map[string]codec.Schema {
	schemas := map[string]codec.Schema{
		names.Output(kafka.Entries):     codec.EntryRecord,
		names.Output(kafka.Settled):     codec.EntryRecord,
		names.Output(kafka.Corrections): codec.CorrectionRecord,
		names.Output(kafka.Balances):    codec.BalanceRecord,
		names.Output(kafka.OrderStates): codec.OrderStateRecord,
		names.Output(kafka.OrderStats):  codec.OrderStatsRecord,
		names.Output(kafka.Alerts):      codec.AlertRecord,
		names.Output(kafka.Watermarks):  codec.WatermarkRecord,
	}
	for _, topic := range event.Inputs {
		schemas[names.Input(topic)] = codec.EventSchema(topic)
	}
	return schemas
}

// LoadPolicies reads the file of policies.
func LoadPolicies(from service.Policies) (event.Policies, error) {
	file, err := from.Load()
	if err != nil {
		return event.Policies{}, err
	}
	policies := event.Policies{
		Assets: make(map[string]event.Policy), Default: policy(file.Asset(service.AnyAsset)),
		Orders: event.OrderPolicy{MaxLiveOrders: file.Orders.MaxLiveOrders},
	}
	for name, rules := range file.Assets {
		if name != service.AnyAsset {
			policies.Assets[name] = policy(rules)
		}
	}
	if limit := file.Orders.MaxOrderNotional; limit != "" {
		if policies.Orders.MaxOrderNotional, err = event.ParseTotal(limit); err != nil {
			return event.Policies{}, service.Usagef("policies.file: orders.max_order_notional: %w", err)
		}
	}
	return policies, nil
}

func policy(rules service.AssetPolicy) event.Policy {
	return event.Policy{
		Debt: rules.Shortfall == "debt", Forfeit: rules.RefundExpired == "forfeit",
		MaxSpendAmount: event.Amount(rules.MaxSpendAmount), MaxSpendCount: rules.MaxSpendCount,
		Window: rules.Window.Microseconds(),
	}
}
