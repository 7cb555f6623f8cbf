package service

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Kafka says how to reach the brokers and the schema registry. The names are
// those of Kafka's own clients; certificates and keys are PEM files.
type Kafka struct {
	// BootstrapServers is a comma-separated list of host:port.
	BootstrapServers string `name:"bootstrap-servers" default:"127.0.0.1:9092" help:"Brokers to start from: host:port, separated by commas."`
	// SecurityProtocol turns TLS and SASL on.
	SecurityProtocol string `name:"security-protocol" default:"PLAINTEXT" enum:"PLAINTEXT,SSL,SASL_PLAINTEXT,SASL_SSL" help:"How to talk to the brokers."`
	// SASLMechanism is needed by the SASL_ protocols.
	SASLMechanism string `name:"sasl-mechanism" default:"" enum:",PLAIN,SCRAM-SHA-256,SCRAM-SHA-512" help:"How to log in at the brokers."`
	SASLUsername  string `name:"sasl-username" help:"User to log in as."`
	SASLPassword  string `name:"sasl-password" secret:"" help:"Password of that user."`
	// SSLCALocation replaces the system's certificate authorities.
	SSLCALocation string `name:"ssl-ca-location" help:"PEM file of the authorities to trust, instead of the system's."`
	// SSLCertificateLocation and SSLKeyLocation are this client's identity.
	SSLCertificateLocation string `name:"ssl-certificate-location" help:"PEM file of the client's certificate chain."`
	SSLKeyLocation         string `name:"ssl-key-location" help:"PEM file of the client's private key, not encrypted."`
	// SSLEndpointIdentificationAlgorithm none checks the broker's certificate
	// but not that it belongs to this host.
	SSLEndpointIdentificationAlgorithm string `name:"ssl-endpoint-identification-algorithm" default:"https" enum:"https,none" help:"Check that a broker's certificate names its host."`
	// SchemaRegistryURL is a comma-separated list; none means no registry.
	SchemaRegistryURL string `name:"schema-registry-url" help:"Schema registry, for Confluent-framed values; none means those are malformed."`
}

func (k Kafka) usesTLS() bool {
	return k.SecurityProtocol == "SSL" || k.SecurityProtocol == "SASL_SSL"
}

func (k Kafka) usesSASL() bool {
	return strings.HasPrefix(k.SecurityProtocol, "SASL_")
}

// Validate checks what can be checked without opening a file or a connection.
func (k Kafka) Validate() error {
	if _, err := k.servers(); err != nil {
		return err
	}
	for _, s := range []struct{ name, value string }{
		{"sasl.mechanism", k.SASLMechanism}, {"sasl.username", k.SASLUsername}, {"sasl.password", k.SASLPassword},
	} {
		if k.usesSASL() && s.value == "" {
			return fmt.Errorf("%s: security.protocol %s needs it", s.name, k.SecurityProtocol)
		}
		if !k.usesSASL() && s.value != "" {
			return fmt.Errorf("%s: it is set, but security.protocol is %s; set SASL_SSL or SASL_PLAINTEXT", s.name, k.SecurityProtocol)
		}
	}
	for _, s := range []struct{ name, value string }{
		{"ssl.ca.location", k.SSLCALocation}, {"ssl.certificate.location", k.SSLCertificateLocation}, {"ssl.key.location", k.SSLKeyLocation},
	} {
		if !k.usesTLS() && s.value != "" {
			return fmt.Errorf("%s: it is set, but security.protocol is %s; set SSL or SASL_SSL", s.name, k.SecurityProtocol)
		}
	}
	if k.SSLCertificateLocation != "" && k.SSLKeyLocation == "" {
		return fmt.Errorf("ssl.key.location: ssl.certificate.location needs it")
	}
	if k.SSLKeyLocation != "" && k.SSLCertificateLocation == "" {
		return fmt.Errorf("ssl.certificate.location: ssl.key.location needs it")
	}
	for _, registry := range k.RegistryURLs() {
		u, err := url.Parse(registry)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("schema.registry.url: want http://host:port or https://host:port, got %q", redact(registry))
		}
	}
	return nil
}

func (k Kafka) servers() ([]string, error) {
	servers := splitList(k.BootstrapServers)
	if len(servers) == 0 {
		return nil, fmt.Errorf("bootstrap.servers: want host:port, separated by commas, got nothing")
	}
	for _, server := range servers {
		host, port, err := net.SplitHostPort(server)
		n, portErr := strconv.ParseUint(port, 10, 16)
		if err != nil || host == "" || portErr != nil || n == 0 {
			return nil, fmt.Errorf("bootstrap.servers: want host:port, separated by commas, got %q", server)
		}
	}
	return servers, nil
}

// RegistryURLs lists the schema registries; none means there is no registry.
func (k Kafka) RegistryURLs() []string { return splitList(k.SchemaRegistryURL) }

// Options are the client options for the brokers' addresses, TLS and SASL. Every
// error is a UsageError that names its setting.
func (k Kafka) Options() ([]kgo.Opt, error) {
	if err := k.Validate(); err != nil {
		return nil, &UsageError{Err: err}
	}
	servers, err := k.servers()
	if err != nil {
		return nil, &UsageError{Err: err}
	}
	options := []kgo.Opt{kgo.SeedBrokers(servers...)}
	if k.usesTLS() {
		config, err := k.tlsConfig()
		if err != nil {
			return nil, &UsageError{Err: err}
		}
		options = append(options, kgo.DialTLSConfig(config))
	}
	if k.usesSASL() {
		mechanism, err := k.saslMechanism()
		if err != nil {
			return nil, &UsageError{Err: err}
		}
		options = append(options, kgo.SASL(mechanism))
	}
	return options, nil
}

func (k Kafka) saslMechanism() (sasl.Mechanism, error) {
	switch k.SASLMechanism {
	case "PLAIN":
		return plain.Auth{User: k.SASLUsername, Pass: k.SASLPassword}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: k.SASLUsername, Pass: k.SASLPassword}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: k.SASLUsername, Pass: k.SASLPassword}.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("sasl.mechanism: want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, got %q", k.SASLMechanism)
}

func (k Kafka) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if k.SSLCALocation != "" {
		text, err := os.ReadFile(k.SSLCALocation)
		if err != nil {
			return nil, fmt.Errorf("ssl.ca.location: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ssl.ca.location: %s holds no PEM certificate", k.SSLCALocation)
		}
	}
	if k.SSLCertificateLocation != "" {
		certificate, err := k.clientCertificate()
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	if k.SSLEndpointIdentificationAlgorithm == "none" {
		// crypto/tls checks the chain and the host name together or not at all;
		// this keeps the first half.
		config.InsecureSkipVerify = true
		config.VerifyConnection = verifyChain(config.RootCAs)
	}
	return config, nil
}

func (k Kafka) clientCertificate() (tls.Certificate, error) {
	chain, err := os.ReadFile(k.SSLCertificateLocation)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("ssl.certificate.location: %w", err)
	}
	key, err := os.ReadFile(k.SSLKeyLocation)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("ssl.key.location: %w", err)
	}
	if block, _ := pem.Decode(key); block != nil && (block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "") {
		return tls.Certificate{}, fmt.Errorf("ssl.key.location: the key in %s is encrypted; give one that is not", k.SSLKeyLocation)
	}
	certificate, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("ssl.certificate.location and ssl.key.location: %w", err)
	}
	return certificate, nil
}

func verifyChain(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, certificate := range state.PeerCertificates[1:] {
			options.Intermediates.AddCert(certificate)
		}
		_, err := state.PeerCertificates[0].Verify(options)
		return err
	}
}

func splitList(s string) []string {
	var items []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
