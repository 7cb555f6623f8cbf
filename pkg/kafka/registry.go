package kafka

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

// registryTimeout bounds one question to the registry.
const registryTimeout = 5 * time.Second

// ErrNoSuchSchema says that the registry answered and knows no such schema.
var ErrNoSuchSchema = errors.New("the registry knows no such schema")

// Registry is the schema registry.
type Registry struct{ client *sr.Client }

// NewRegistry is the registry at one of these addresses.
func NewRegistry(urls ...string) (*Registry, error) {
	client, err := sr.NewClient(sr.URLs(urls...), sr.HTTPClient(&http.Client{Timeout: registryTimeout}))
	if err != nil {
		return nil, fmt.Errorf("schema registry %v: %w", urls, err)
	}
	return &Registry{client: client}, nil
}

// SchemaByID is the text of an Avro schema. Where the registry doesn't know the
// id, or it is no Avro schema that stands alone, the error is ErrNoSuchSchema;
// any other one may pass.
func (r *Registry) SchemaByID(ctx context.Context, id uint32) (text string, err error) {
	schema, err := r.client.SchemaByID(ctx, int(id))
	if answer, ok := errors.AsType[*sr.ResponseError](err); ok && answer.StatusCode == http.StatusNotFound {
		return "", fmt.Errorf("%w: id %d", ErrNoSuchSchema, id)
	}
	if err != nil {
		return "", fmt.Errorf("ask the registry for schema %d: %w", id, err)
	}
	if schema.Type != sr.TypeAvro || len(schema.References) > 0 {
		return "", fmt.Errorf("%w that is Avro and stands alone: id %d", ErrNoSuchSchema, id)
	}
	return schema.Schema, nil
}

// Register makes sure that a topic's values may have this schema, and returns
// its id.
func (r *Registry) Register(ctx context.Context, topic, text string) (id uint32, err error) {
	n, err := r.client.RegisterSchema(ctx, topic+"-value", sr.Schema{Schema: text, Type: sr.TypeAvro}, -1, -1)
	if err != nil {
		return 0, fmt.Errorf("register the schema of topic %s: %w", topic, err)
	}
	return uint32(n), nil
}
