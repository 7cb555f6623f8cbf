// Package containers runs what the tests need as Docker containers, by testcontainers-go.
//
// It is a module of its own, so that testcontainers and its dependencies stay out of the product's. It owns the
// container's settings and life; it never runs without Docker, and knows nothing of the tests that use it.
// testcontainers' own Kafka module starts Confluent's images only, so the container is described here.
//
//	kafka, err := containers.StartKafka(ctx)
//	defer kafka.Stop()
//	kafka.Bootstrap // 127.0.0.1:41234
package containers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"

	"highwater/deploy/kafka/ready"
)

// KafkaImage is the broker that the product is tested with.
const KafkaImage = "apache/kafka:4.4.0"

// startWithin bounds a start; the first one pulls the image.
const startWithin = 4 * time.Minute

// Kafka is a running single-node broker.
type Kafka struct {
	// Bootstrap is host:port, as clients on this machine reach it.
	Bootstrap string

	container testcontainers.Container
}

// StartKafka starts a broker and returns when it takes transactions.
func StartKafka(ctx context.Context) (*Kafka, error) {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	if err := Available(ctx); err != nil {
		return nil, err
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, fmt.Errorf("free port: %w", err)
	}
	// A broker tells its clients where it is, so the port outside must be known before it starts, and is the one inside.
	inside := port + "/tcp"
	container, err := testcontainers.Run(ctx, KafkaImage,
		testcontainers.WithExposedPorts(port+":"+inside),
		testcontainers.WithEnv(settings(port)),
		testcontainers.WithWaitStrategy(wait.ForExposedPort()),
	)
	k := &Kafka{container: container}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", KafkaImage, err), k.Stop())
	}
	k.Bootstrap = net.JoinHostPort("127.0.0.1", port)
	if err := ready.Await(ctx, k.Bootstrap); err != nil {
		return nil, errors.Join(err, k.Stop())
	}
	return k, nil
}

// Available returns nil where a Docker daemon answers, and what is wrong where none does.
func Available(ctx context.Context) (err error) {
	// Where it finds no daemon's address, testcontainers panics.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("no Docker daemon answers: %v", r)
		}
	}()
	provider, err := testcontainers.NewDockerProvider()
	if err != nil {
		return fmt.Errorf("no Docker daemon answers: %w", err)
	}
	defer provider.Close()
	if err := provider.Health(ctx); err != nil {
		return fmt.Errorf("no Docker daemon answers: %w", err)
	}
	return nil
}

// Stop removes the container and what it stored.
func (k *Kafka) Stop() error {
	if err := testcontainers.TerminateContainer(k.container); err != nil {
		return fmt.Errorf("remove the Kafka container: %w", err)
	}
	return nil
}

// settings are those of deploy/kafka/local/server.properties.tmpl, as the image takes them.
func settings(port string) map[string]string {
	return map[string]string{
		"CLUSTER_ID":                                             "aGlnaHdhdGVyLXRlc3RzMQ",
		"KAFKA_PROCESS_ROLES":                                    "broker,controller",
		"KAFKA_NODE_ID":                                          "1",
		"KAFKA_LISTENERS":                                        "PLAINTEXT://:" + port + ",CONTROLLER://127.0.0.1:9093",
		"KAFKA_ADVERTISED_LISTENERS":                             "PLAINTEXT://127.0.0.1:" + port,
		"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP":                   "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"KAFKA_CONTROLLER_LISTENER_NAMES":                        "CONTROLLER",
		"KAFKA_CONTROLLER_QUORUM_VOTERS":                         "1@127.0.0.1:9093",
		"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR":                 "1",
		"KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS":                     "8",
		"KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR":         "1",
		"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR":                    "1",
		"KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS":             "8",
		"KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
		"KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR":            "1",
		"KAFKA_AUTO_CREATE_TOPICS_ENABLE":                        "false",
		"KAFKA_MESSAGE_MAX_BYTES":                                "20971520",
		"KAFKA_BROKER_SESSION_TIMEOUT_MS":                        "2000",
		"KAFKA_BROKER_HEARTBEAT_INTERVAL_MS":                     "500",
		"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS":                 "0",
	}
}

func freePort(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}
