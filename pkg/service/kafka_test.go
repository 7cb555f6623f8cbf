package service

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// authority is a certificate authority for one test.
type authority struct {
	t           *testing.T
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	var der []byte
	a.key, der = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	var err error
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.file = writeFile(t, "ca.pem", encode("CERTIFICATE", der))
	return a
}

func (a *authority) sign(template *x509.Certificate) (*ecdsa.PrivateKey, []byte) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotAfter = time.Now().Add(time.Hour)
	parent, signer := template, key
	if a.certificate != nil {
		parent, signer = a.certificate, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	return key, der
}

// pair writes a certificate for a name and its key.
func (a *authority) pair(name string) (certificateFile, keyFile string) {
	a.t.Helper()
	key, der := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return writeFile(a.t, "cert.pem", encode("CERTIFICATE", der)), writeFile(a.t, "key.pem", encode("PRIVATE KEY", keyDER))
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// TestTLS shakes hands as a client with these settings would.
func TestTLS(t *testing.T) {
	own, other := newAuthority(t), newAuthority(t)
	certificate, key := own.pair("broker.example")
	client, clientKey := own.pair("client")
	for _, c := range []struct {
		name   string
		kafka  Kafka
		server string // name the client dials
		ok     bool
	}{
		{"trusted", Kafka{SSLCALocation: own.file}, "broker.example", true},
		{"another host", Kafka{SSLCALocation: own.file}, "elsewhere.example", false},
		{"another host, not checked", Kafka{SSLCALocation: own.file, SSLEndpointIdentificationAlgorithm: "none"}, "elsewhere.example", true},
		{"another authority", Kafka{SSLCALocation: other.file}, "broker.example", false},
		{"another authority, host not checked", Kafka{SSLCALocation: other.file, SSLEndpointIdentificationAlgorithm: "none"}, "broker.example", false},
		{"the system's authorities", Kafka{}, "broker.example", false},
		{"no client certificate", Kafka{SSLCALocation: own.file}, "wants-clients", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.kafka.SecurityProtocol = "SSL"
			if c.name != "no client certificate" {
				c.kafka.SSLCertificateLocation, c.kafka.SSLKeyLocation = client, clientKey
			}
			config, err := c.kafka.tlsConfig()
			if err != nil {
				t.Fatal(err)
			}
			config.ServerName = c.server
			if err := handshake(t, config, own, certificate, key); (err == nil) != c.ok {
				t.Errorf("handshake: %v, want ok %v", err, c.ok)
			}
		})
	}
}

// handshake connects config to a server that asks for a certificate of own's.
func handshake(t *testing.T, config *tls.Config, own *authority, certificate, key string) error {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(own.certificate)
	near, far := net.Pipe()
	defer near.Close()
	done := make(chan error, 1)
	go func() {
		defer far.Close()
		server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool})
		done <- server.Handshake()
	}()
	err = tls.Client(near, config).Handshake()
	near.Close()
	return errors.Join(err, <-done)
}

func TestOptions(t *testing.T) {
	own := newAuthority(t)
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		k := Kafka{
			BootstrapServers: "a:1, [::1]:2", SecurityProtocol: "SASL_SSL", SSLCALocation: own.file,
			SASLMechanism: mechanism, SASLUsername: "me", SASLPassword: "hunter2",
			SchemaRegistryURL: "http://one:8081,https://two",
		}
		options, err := k.Options()
		if err != nil {
			t.Fatal(err)
		}
		client, err := kgo.NewClient(options...)
		if err != nil {
			t.Fatal(err)
		}
		if got := client.OptValue(kgo.SeedBrokers); len(got.([]string)) != 2 {
			t.Errorf("seed brokers %v", got)
		}
		if got := client.OptValue(kgo.DialTLSConfig).(*tls.Config); got == nil || got.MinVersion != tls.VersionTLS12 {
			t.Errorf("TLS %v", got)
		}
		client.Close()
		if got := k.RegistryURLs(); len(got) != 2 {
			t.Errorf("registries %v", got)
		}
	}
}

func TestOptionErrors(t *testing.T) {
	own := newAuthority(t)
	certificate, _ := own.pair("client")
	_, otherKey := own.pair("client")
	encrypted := writeFile(t, "key.pem", encode("ENCRYPTED PRIVATE KEY", []byte("x")))
	empty := writeFile(t, "empty.pem", "")
	missing := filepath.Join(t.TempDir(), "missing.pem")
	for name, c := range map[string]struct {
		kafka Kafka
		want  string
	}{
		"no authority":      {Kafka{SSLCALocation: missing}, "ssl.ca.location: open "},
		"no PEM":            {Kafka{SSLCALocation: empty}, "ssl.ca.location: " + empty + " holds no PEM certificate"},
		"no certificate":    {Kafka{SSLCertificateLocation: missing, SSLKeyLocation: otherKey}, "ssl.certificate.location: open "},
		"no key":            {Kafka{SSLCertificateLocation: certificate, SSLKeyLocation: missing}, "ssl.key.location: open "},
		"an encrypted key":  {Kafka{SSLCertificateLocation: certificate, SSLKeyLocation: encrypted}, "is encrypted; give one that is not"},
		"another's key":     {Kafka{SSLCertificateLocation: certificate, SSLKeyLocation: otherKey}, "ssl.certificate.location and ssl.key.location: "},
		"unknown mechanism": {Kafka{SecurityProtocol: "SASL_SSL", SASLMechanism: "GSSAPI", SASLUsername: "a", SASLPassword: "hunter2"}, "sasl.mechanism: want PLAIN"},
	} {
		if c.kafka.SecurityProtocol == "" {
			c.kafka.SecurityProtocol = "SSL"
		}
		c.kafka.BootstrapServers = "a:1"
		_, err := c.kafka.Options()
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
		if exitStatus(err, false) != ExitUsage {
			t.Errorf("%s: %v isn't wrong use", name, err)
		}
	}
}
