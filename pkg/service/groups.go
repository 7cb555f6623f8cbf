package service

import (
	"fmt"
	"regexp"
	"time"
)

// The groups of settings that several binaries share. A binary embeds those it
// needs; a name means the same in each of them.

// Shared are the settings that every process of one installation must agree on.
type Shared struct {
	// ApplicationID separates installations on one Kafka cluster.
	ApplicationID string `name:"application-id" default:"highwater" help:"Prefix of transactional ids, groups and internal topics."`
	// TopicPrefix goes before the name of every input and output topic.
	TopicPrefix string `name:"topic-prefix" help:"Goes before the name of every input and output topic."`
	// DataDir holds what can be rebuilt from Kafka; each service uses its own
	// folder in it.
	DataDir string `name:"data-dir" default:"highwater-data" help:"Folder for state that can be rebuilt from Kafka."`
}

// Kafka allows 249 bytes in a topic name; both parts leave room for the other.
var (
	applicationID = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,100}$`)
	topicPrefix   = regexp.MustCompile(`^[a-zA-Z0-9._-]{0,100}$`)
)

// Validate checks what Kafka would refuse much later.
func (s Shared) Validate() error {
	if !applicationID.MatchString(s.ApplicationID) {
		return fmt.Errorf("application.id: want 1 to 100 of a-z, A-Z, 0-9, dot, underscore and hyphen, got %q", s.ApplicationID)
	}
	if !topicPrefix.MatchString(s.TopicPrefix) {
		return fmt.Errorf("topic.prefix: want at most 100 of a-z, A-Z, 0-9, dot, underscore and hyphen, got %q", s.TopicPrefix)
	}
	if s.DataDir == "" {
		return fmt.Errorf("data.dir: want a folder, got nothing")
	}
	return nil
}

// Topics says how topics are created; it changes none that exist.
type Topics struct {
	// Partitions of every input and output topic: the number of shards.
	Partitions int32 `name:"partitions" default:"4" min:"1" max:"10000" help:"Partitions of each topic when topics are created."`
	// ReplicationFactor of every topic; -1 leaves it to the broker.
	ReplicationFactor int16 `name:"replication-factor" default:"-1" min:"-1" max:"100" help:"Copies of each partition when topics are created; -1 is the broker's default."`
}

// Validate refuses a factor of none.
func (t Topics) Validate() error {
	if t.ReplicationFactor == 0 {
		return fmt.Errorf("replication.factor: want 1 or more, or -1 for the broker's default, got 0")
	}
	return nil
}

// Time says when events count as complete, late, or impossible.
type Time struct {
	// AllowedLateness is how far the watermark stays behind the newest event.
	AllowedLateness time.Duration `name:"allowed-lateness" default:"10s" help:"How far the watermark stays behind the newest event time."`
	// IdleTimeout is how long a topic without news holds the watermark back.
	IdleTimeout time.Duration `name:"idle-timeout" default:"5s" min:"1ms" help:"How long a topic without news holds the watermark back."`
	// IdlePolicy says what the watermark does when all topics are idle.
	IdlePolicy string `name:"idle-policy" default:"clock" enum:"clock,hold" help:"When all topics are idle the watermark follows the clock, or holds (to load history)."`
	// FutureSkew is how far ahead of the clock an event time may be.
	FutureSkew time.Duration `name:"future-skew" default:"5m" help:"How far ahead of the clock an event time may be; later ones are dead letters."`
	// RetentionHorizon is how far behind the watermark an event is still
	// applied; 0 is no limit.
	RetentionHorizon time.Duration `name:"retention-horizon" default:"0s" help:"How far behind the watermark an event is still applied; 0s is without limit."`
}

// Output says what is published and how it is encoded.
type Output struct {
	// Settled turns the settled topic on.
	Settled bool `name:"settled" default:"true" help:"Write the settled topic: every event once, in event-time order."`
	// Format is the framing of the Avro values of the output topics.
	Format string `name:"output-format" default:"single-object" enum:"single-object,confluent" help:"Framing of Avro output; confluent needs schema.registry.url."`
	// Compression is that of the batches of outputs and changelog.
	Compression string `name:"compression-type" default:"none" enum:"none,lz4,snappy,zstd" help:"Compression of outputs and changelog: costs CPU here and at the broker, saves network and disk."`
}

// Processing bounds one shard's transactions and the memory of all shards of a
// process.
type Processing struct {
	// UnknownSchema says what to do with a record nobody can read.
	UnknownSchema string `name:"unknown-schema" default:"stop" enum:"stop,dead-letter" help:"A record of an unknown schema stops its partition (exit status 3), or goes to dead-letters."`
	// MaxEventsPerTransaction bounds a transaction by count.
	MaxEventsPerTransaction int `name:"max-events-per-transaction" default:"5000" min:"1" max:"1000000" help:"Most events in one transaction."`
	// MaxBytesPerTransaction bounds a transaction by the size of its input. One
	// larger record still goes through, alone.
	MaxBytesPerTransaction Bytes `name:"max-bytes-per-transaction" default:"4MiB" min:"64KiB" max:"64MiB" help:"Most bytes of input in one transaction; a larger record goes alone."`
	// CommitInterval is the pause between a commit and the next transaction.
	CommitInterval time.Duration `name:"commit-interval" default:"1ms" max:"10s" help:"Shortest pause between a commit and the next transaction of a shard."`
	// MemoryBytes bounds the process: Go collects garbage so that it stays
	// below, as far as what is needed at once allows it.
	MemoryBytes Bytes `name:"memory-bytes" default:"1GiB" min:"128MiB" help:"Memory of the whole process; garbage is collected so that it stays below."`
	// CacheBytes bounds the accounts kept in memory, decoded or as rows, all shards
	// together.
	CacheBytes Bytes `name:"cache-bytes" default:"256MiB" min:"1MiB" help:"Memory for hot accounts, all shards of the process together."`
	// BlockCacheBytes bounds the store's block cache, all shards together.
	BlockCacheBytes Bytes `name:"block-cache-bytes" default:"192MiB" min:"1MiB" help:"Memory for blocks of the store, all shards of the process together."`
}

// storeBytes is what the shards' stores take beside their block cache, in a
// process of some shards.
const storeBytes = 96 << 20

// Validate refuses caches that leave no room for work.
func (p Processing) Validate() error {
	if room := Bytes(p.HeapBytes() / 4 * 3); p.CacheBytes > room {
		return fmt.Errorf("cache.bytes: want at most %s, three quarters of what memory.bytes leaves beside block.cache.bytes, got %s; raise memory.bytes",
			room, p.CacheBytes)
	}
	return nil
}

// HeapBytes is what of MemoryBytes is Go's: the store keeps its own memory.
func (p Processing) HeapBytes() int64 {
	return max(int64(p.MemoryBytes)/2, int64(p.MemoryBytes-p.BlockCacheBytes)-storeBytes)
}

// Policies names the file of business rules.
type Policies struct {
	// File is the path of the YAML file; none means every default.
	File string `name:"policies-file" help:"YAML file with the rules per asset and for orders; none means every default."`
}

// Load reads the file; without one it returns the defaults.
func (p Policies) Load() (PolicyFile, error) {
	if p.File == "" {
		return PolicyFile{}, nil
	}
	return ReadPolicyFile(p.File)
}
