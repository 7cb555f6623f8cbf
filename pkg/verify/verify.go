package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// Options say what to verify.
type Options struct {
	Names kafka.Names
	// Client are the options every client has; see [kafka.CommonOptions].
	Client []kgo.Opt
	// Policies, FutureSkew and Horizon (microseconds; a horizon of 0 is none)
	// are the processors'.
	Policies            event.Policies
	FutureSkew, Horizon int64
	// Settled is whether the processors write the settled topic.
	Settled bool
	// MaxEventBytes is the processors'; 0 is codec.MaxEventBytes.
	MaxEventBytes int
	// SchemaByID asks the registry; nil where there is none. An id that the
	// registry doesn't know is kafka.ErrNoSuchSchema.
	SchemaByID func(id uint32) (text string, err error)
	// Wait bounds the wait for the processors to take what is in the inputs; 0
	// is DefaultWait.
	Wait time.Duration
	// Queries are addresses of query services, such as http://127.0.0.1:8082,
	// whose replicas are to have the changelog's hashes.
	Queries []string
}

// DefaultWait is how long outputs may take to catch up with inputs.
const DefaultWait = time.Minute

// Run verifies an installation, and writes one line a check to w. It is false
// where a check found a counterexample; an error says that it couldn't look.
func Run(ctx context.Context, o Options, w io.Writer) (ok bool, err error) {
	if o.Wait == 0 {
		o.Wait = DefaultWait
	}
	client, err := kgo.NewClient(o.Client...)
	if err != nil {
		return false, fmt.Errorf("client: %w", err)
	}
	defer client.Close()
	partitions, err := kafka.PartitionCount(ctx, client, o.Names)
	if err != nil {
		return false, err
	}
	v := newVerifier(o, client, partitions)
	if err := v.run(ctx); err != nil {
		return false, err
	}
	return v.report.ok(), v.report.print(w)
}

// verifier is one run.
type verifier struct {
	Options
	client     *kgo.Client
	partitions int32
	report     *report

	replicaHashes []replicaHash
	transfers     transfers
	// money is that of all accounts but the uncounted ones.
	money     money
	uncounted int
	// registryErr is why the registry couldn't be asked.
	registryErr error

	// tamper stands between Kafka and the checks where a test spoils records:
	// what it makes of one takes its place.
	tamper func(*kgo.Record) []*kgo.Record
}

func newVerifier(o Options, client *kgo.Client, partitions int32) *verifier {
	return &verifier{Options: o, client: client, partitions: partitions, report: newReport(), transfers: newTransfers()}
}

func (v *verifier) run(ctx context.Context) error {
	if err := v.topics(ctx); err != nil {
		return err
	}
	v.ask(ctx)
	for p := range v.partitions {
		if err := v.partition(ctx, p); err != nil {
			return fmt.Errorf("partition %d: %w", p, err)
		}
	}
	if err := v.checkTransfers(ctx); err != nil {
		return fmt.Errorf("transfers: %w", err)
	}
	v.checkMoney()
	return nil
}

// topics checks that the topics are as they must be.
func (v *verifier) topics(ctx context.Context) error {
	topics := kafka.Catalogue(v.Names, v.partitions, -1)
	v.report.count(checkTopics, "topics", len(topics))
	v.report.count(checkTopics, "partitions", int(v.partitions))
	err := kafka.Verify(ctx, v.client, topics)
	if wrong, isWrong := errors.AsType[*kafka.TopicError](err); isWrong {
		for _, difference := range wrong.Differences {
			v.report.fail(checkTopics, "%s", difference)
		}
		return nil
	}
	return err
}

// partition looks at one partition.
func (v *verifier) partition(ctx context.Context, p int32) error {
	h, err := v.load(ctx, p)
	if err == nil {
		err = v.registryErr
	}
	if err != nil || h == nil {
		return err
	}
	h.report.count(checkChangelog, "transactions", len(h.chain.transactions))
	h.checkStamps()
	h.checkKeys()
	h.checkInputs()
	h.checkReceived()
	h.checkDeadLetters()
	h.checkDecisions()
	h.checkAccounts()
	h.checkSettledOrder()
	h.checkOrderStates()
	h.checkOrderStats()
	h.checkWatermarks()
	v.checkReplicas(h.chain)
	return nil
}

// decoder reads what the processors read. A registry that is away makes no
// record unreadable: it ends the run.
func (v *verifier) decoder() *codec.Decoder {
	d := &codec.Decoder{MaxBytes: v.MaxEventBytes}
	if ask := v.SchemaByID; ask != nil {
		d.SchemaByID = func(id uint32) (string, error) {
			text, err := ask(id)
			if err != nil && !errors.Is(err, kafka.ErrNoSuchSchema) {
				v.registryErr = err
			}
			return text, err
		}
	}
	return d
}

// where is a record's place in Kafka.
func where(r *kgo.Record) string { return fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset) }
