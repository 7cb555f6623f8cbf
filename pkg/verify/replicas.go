package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// askWithin bounds one question to a query service.
	askWithin = 10 * time.Second
	// maxAnswerBytes bounds its answer.
	maxAnswerBytes = 16 << 20
)

// replicaHash is what a replica says of one partition's state.
type replicaHash struct {
	url string
	// Partition and StateHash are the hash chain's value, hexadecimal, at
	// some transaction.
	Partition int32  `json:"partition"`
	StateHash string `json:"state_hash"`
}

// ask asks every query service for its hashes. This comes before the changelog
// is read: what a replica has applied then stands in it.
func (v *verifier) ask(ctx context.Context) {
	for _, url := range v.Queries {
		said, err := askOne(ctx, strings.TrimSuffix(url, "/")+"/v1/partitions")
		if err != nil {
			v.report.fail(checkReplicas, "%s: %v", url, err)
			continue
		}
		v.replicaHashes = append(v.replicaHashes, said...)
	}
}

func askOne(ctx context.Context, url string) ([]replicaHash, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answers %s", answer.Status)
	}
	var said struct {
		Items []replicaHash `json:"items"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswerBytes)).Decode(&said); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	for i := range said.Items {
		said.Items[i].url = url
	}
	return said.Items, nil
}

// checkReplicas looks each replica's hash up in the chain.
func (v *verifier) checkReplicas(c *chain) {
	for _, said := range v.replicaHashes {
		if said.Partition != c.partition {
			continue
		}
		v.report.count(checkReplicas, "hashes", 1)
		if _, known := c.hashes[strings.ToLower(said.StateHash)]; !known {
			v.report.fail(checkReplicas, "%s: partition %d has the state hash %q, which the changelog never had", said.url, said.Partition, said.StateHash)
		}
	}
}
