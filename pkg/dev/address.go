package dev

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"highwater/pkg/service"
)

const host = "127.0.0.1" // I1

// addresses are where everything listens.
type addresses struct {
	kafka, registry, ingest, query, processor string
}

// choose makes addresses of ports, and refuses those that are taken (I2).
func (p Ports) choose(ctx context.Context) (addresses, error) {
	var a addresses
	var held []net.Listener
	defer func() {
		for _, l := range held {
			_ = l.Close() // it has served its purpose
		}
	}()
	for _, c := range []struct {
		to   *string
		port int
		what string
		flag string
	}{
		{&a.kafka, p.Kafka, "the broker", "--kafka-port"},
		{&a.registry, p.Registry, "the schema registry", "--registry-port"},
		{&a.ingest, p.Ingest, "the write API", "--ingest-port"},
		{&a.query, p.Query, "the read API", "--query-port"},
		{&a.processor, p.Processor, "the processor", "--processor-port"},
	} {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(c.port)))
		if err != nil {
			return addresses{}, service.Usagef("%s: port %d is for %s, and something listens there already: stop that, or give another port (0 is any free one): %w",
				c.flag, c.port, c.what, err)
		}
		held = append(held, listener)
		*c.to = listener.Addr().String()
	}
	return a, nil
}

// url is an address as a browser takes it.
func url(address string) string { return fmt.Sprintf("http://%s", address) }
