package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
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
	address string
	// StateHash is the hash chain's value behind the transaction Seq,
	// hexadecimal.
	Partition int32  `json:"partition"`
	Seq       int64  `json:"seq"`
	StateHash string `json:"state_hash"`
}

// ask asks every query service for its hashes. This comes before the changelog
// is read: what a replica has applied then stands in it.
func (v *verifier) ask(ctx context.Context) {
	for _, address := range v.Queries {
		if err := v.askOne(ctx, address); err != nil {
			v.report.fail(checkReplicas, "%s: %v", address, err)
		}
	}
}

// askOne asks one query service, page by page.
func (v *verifier) askOne(ctx context.Context, address string) error {
	cursor := ""
	for range v.partitions {
		query := ""
		if cursor != "" {
			query = "?cursor=" + url.QueryEscape(cursor)
		}
		page, err := askPage(ctx, strings.TrimSuffix(address, "/")+"/v1/partitions"+query)
		if err != nil {
			return err
		}
		for _, said := range page.Items {
			said.address = address
			v.replicaHashes = append(v.replicaHashes, said)
		}
		if cursor = page.NextCursor; cursor == "" {
			return nil
		}
	}
	return errors.New("lists more partitions than there are")
}

// partitionPage is an answer about partitions.
type partitionPage struct {
	Items      []replicaHash `json:"items"`
	NextCursor string        `json:"next_cursor"`
}

func askPage(ctx context.Context, url string) (page partitionPage, err error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return page, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return page, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return page, fmt.Errorf("answers %s", answer.Status)
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswerBytes)).Decode(&page); err != nil {
		return page, fmt.Errorf("read the answer: %w", err)
	}
	return page, nil
}

// checkReplicas looks each replica's hash up in the chain.
func (v *verifier) checkReplicas(c *chain) {
	for _, said := range v.replicaHashes {
		if said.Partition != c.partition {
			continue
		}
		v.report.count(checkReplicas, "hashes", 1)
		switch seq, known := c.hashes[strings.ToLower(said.StateHash)]; {
		case !known:
			v.report.fail(checkReplicas, "%s: partition %d has the state hash %q at seq %d, which the changelog never had", said.address, said.Partition, said.StateHash, said.Seq)
		case seq != said.Seq:
			v.report.fail(checkReplicas, "%s: partition %d has at seq %d the state hash %q, which the changelog has at seq %d", said.address, said.Partition, said.Seq, said.StateHash, seq)
		}
	}
}
