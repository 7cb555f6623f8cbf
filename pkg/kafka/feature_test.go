package kafka

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

func TestCheckTransactions(t *testing.T) {
	for _, c := range []struct {
		name    string
		options []kfake.Opt
		refused bool
	}{
		{"newest", nil, false},
		{"before transaction.version", []kfake.Opt{kfake.MaxVersions(kversion.V3_7_0())}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster, err := kfake.NewCluster(append(c.options, kfake.NumBrokers(1))...)
			if err != nil {
				t.Fatal(err)
			}
			defer cluster.Close()
			client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			err = CheckTransactions(t.Context(), client)
			_, refused := errors.AsType[*FeatureError](err)
			if refused != c.refused || err != nil && !refused {
				t.Error(err)
			}
		})
	}
}
