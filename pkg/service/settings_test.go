package service

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

type everything struct {
	Shared
	Kafka
	Topics
	Time
	Output
	Processing
	HTTP
	Policies
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	got := Default[everything]()
	want := everything{
		Shared:     Shared{ApplicationID: "highwater", DataDir: "highwater-data"},
		Kafka:      Kafka{BootstrapServers: "127.0.0.1:9092", SecurityProtocol: "PLAINTEXT", SSLEndpointIdentificationAlgorithm: "https"},
		Topics:     Topics{Partitions: 4, ReplicationFactor: -1},
		Time:       Time{AllowedLateness: 10 * time.Second, IdleTimeout: 5 * time.Second, IdlePolicy: "clock", FutureSkew: 5 * time.Minute},
		Output:     Output{Settled: true, Format: "single-object", Compression: "none"},
		Processing: Processing{UnknownSchema: "stop", MaxEventsPerTransaction: 5000, MaxBytesPerTransaction: 4 << 20, CommitInterval: time.Millisecond, MemoryBytes: 1 << 30, CacheBytes: 256 << 20, BlockCacheBytes: 192 << 20},
		HTTP:       HTTP{Listen: "127.0.0.1:8080", ShutdownTimeout: 10 * time.Second},
	}
	if got != want {
		t.Errorf("defaults\n got %+v\nwant %+v", got, want)
	}
}

func TestPrecedence(t *testing.T) {
	const file = "allowed.lateness=3s\nbootstrap.servers=file:1\n"
	for _, c := range []struct {
		name        string
		args        []string
		environ     []string
		file        string
		want        time.Duration
		wantServers string
		wantSource  string
	}{
		{name: "default", want: 10 * time.Second, wantServers: "127.0.0.1:9092", wantSource: "default"},
		{name: "file", file: file, want: 3 * time.Second, wantServers: "file:1", wantSource: "settings:1"},
		{name: "environment over file", file: file, environ: []string{"HIGHWATER_ALLOWED_LATENESS=2s", "KAFKA_BOOTSTRAP_SERVERS=env:1"}, want: 2 * time.Second, wantServers: "env:1", wantSource: "HIGHWATER_ALLOWED_LATENESS"},
		{name: "flag over both", file: file, environ: []string{"HIGHWATER_ALLOWED_LATENESS=2s"}, args: []string{"--allowed-lateness=1s", "--bootstrap-servers", "flag:1"}, want: time.Second, wantServers: "flag:1", wantSource: "flag"},
		{name: "an empty variable is none", file: file, environ: []string{"HIGHWATER_ALLOWED_LATENESS=", "HIGHWATER_WHATEVER="}, want: 3 * time.Second, wantServers: "file:1", wantSource: "settings:1"},
		{name: "Kafka's other variables are not ours", environ: []string{"KAFKA_HEAP_OPTS=-Xmx1g", "KAFKA_ALLOWED_LATENESS=7s"}, want: 10 * time.Second, wantServers: "127.0.0.1:9092", wantSource: "default"},
		{name: "a variable for tests is no setting", environ: []string{"HIGHWATER_REQUIRE_KAFKA=1"}, want: 10 * time.Second, wantServers: "127.0.0.1:9092", wantSource: "default"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := c.args
			if c.file != "" {
				args = append(args, "--settings-file="+writeFile(t, "settings", c.file))
			}
			r, err := resolve("test", "", everything{}, args, c.environ, t.Output())
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Settings.AllowedLateness; got != c.want {
				t.Errorf("allowed lateness %s, want %s", got, c.want)
			}
			if got := r.Settings.BootstrapServers; got != c.wantServers {
				t.Errorf("bootstrap servers %s, want %s", got, c.wantServers)
			}
			for _, s := range r.settings {
				if s.name == "allowed.lateness" && filepath.Base(s.source) != c.wantSource {
					t.Errorf("source %s, want %s", s.source, c.wantSource)
				}
			}
		})
	}
}

func TestSettingsFileByVariable(t *testing.T) {
	environ := []string{"HIGHWATER_SETTINGS_FILE=" + writeFile(t, "settings", "settled=false\ncommit.interval=20ms")}
	r, err := resolve("test", "", everything{}, nil, environ, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if r.Settings.Settled || r.Settings.CommitInterval != 20*time.Millisecond {
		t.Errorf("got %+v and %s", r.Settings.Output, r.Settings.CommitInterval)
	}
}

// TestWrongUse shows I1, and that every message names the setting and what it
// may be.
func TestWrongUse(t *testing.T) {
	for _, c := range []struct {
		name    string
		args    string
		environ string
		file    string
		want    string
	}{
		{name: "no duration", args: "--allowed-lateness=soon", want: `--allowed-lateness: want a duration such as 500ms, 10s, 1h30m or 30d, got "soon"`},
		{name: "negative duration", args: "--allowed-lateness=-1s", want: `--allowed-lateness: want a duration`},
		{name: "no duration, variable", environ: "HIGHWATER_IDLE_TIMEOUT=5", want: `--idle-timeout: want a duration such as 500ms, 10s, 1h30m or 30d, got "5" (from HIGHWATER_IDLE_TIMEOUT)`},
		{name: "no duration, file", file: "\nfuture.skew=5 minutes", want: `settings:2)`},
		{name: "no size", args: "--cache-bytes=64MB", want: `--cache-bytes: want a size such as 4096, 64KiB, 4MiB or 1GiB, got "64MB"`},
		{name: "no number", file: "max.events.per.transaction=many", want: `--max-events-per-transaction:`},
		{name: "too small", args: "--max-events-per-transaction=0", want: `--max-events-per-transaction: want at least 1, got 0`},
		{name: "too large", environ: "HIGHWATER_MAX_BYTES_PER_TRANSACTION=1GiB", want: `want at most 64MiB, got 1GiB (from HIGHWATER_MAX_BYTES_PER_TRANSACTION)`},
		{name: "too short", args: "--idle-timeout=0s", want: `--idle-timeout: want at least 1ms, got 0s`},
		{name: "no choice", args: "--idle-policy=wait", want: `--idle-policy must be one of "clock","hold" but got "wait"`},
		{name: "no choice, file", file: "idle.policy=wait", want: `--idle-policy: want one of clock, hold, got "wait" (from`},
		{name: "no boolean", file: "settled=perhaps", want: `--settled:`},
		{name: "no value", args: "--listen", want: `--listen: expected string value`},
		{name: "two unknown variables", environ: "HIGHWATER_B=1 HIGHWATER_A=1", want: `unknown setting in the environment: HIGHWATER_A, HIGHWATER_B`},
		{name: "a flag's name in the file", file: "allowed-lateness=1s", want: `settings:1: unknown setting "allowed-lateness"`},
		{name: "twice in the file", file: "data.dir=a\ndata.dir=b", want: `settings:2: data.dir is already set at`},
		{name: "no setting in a line", file: "data.dir", want: `settings:1: want setting=value`},
		{name: "the file in the file", file: "settings.file=x", want: `settings:1: settings.file can't stand in the file itself`},
		{name: "help in the file", file: "help=true", want: `unknown setting "help"`},
		{name: "no UTF-8", file: "data.dir=\xff", want: `is not UTF-8`},
		{name: "a huge file", file: "#" + strings.Repeat("x", maxSettingsFileBytes), want: `is larger than 1MiB`},
		{name: "application id", args: "--application-id=a/b", want: `application.id: want 1 to 100 of`},
		{name: "application id, none", args: "--application-id=", want: `application.id: want 1 to 100 of`},
		{name: "caches without room", args: "--cache-bytes=1GiB", want: `cache.bytes: want at most 552MiB, three quarters`},
		{name: "topic prefix", args: "--topic-prefix=a/", want: `topic.prefix: want at most 100 of`},
		{name: "no copies", args: "--replication-factor=0", want: `replication.factor: want 1 or more`},
		{name: "no port", args: "--bootstrap-servers=broker", want: `bootstrap.servers: want host:port, separated by commas, got "broker"`},
		{name: "no broker", args: "--bootstrap-servers=,", want: `bootstrap.servers: want host:port, separated by commas, got nothing`},
		{name: "a password in the clear", args: "--sasl-password=hunter2", want: `sasl.password: it is set, but security.protocol is PLAINTEXT`},
		{name: "no mechanism", args: "--security-protocol=SASL_SSL", want: `sasl.mechanism: security.protocol SASL_SSL needs it`},
		{name: "no key", args: "--security-protocol=SSL --ssl-certificate-location=c.pem", want: `ssl.key.location: ssl.certificate.location needs it`},
		{name: "no TLS", args: "--ssl-ca-location=ca.pem", want: `ssl.ca.location: it is set, but security.protocol is PLAINTEXT`},
		{name: "no registry", args: "--schema-registry-url=ftp://me:hunter2@host", want: `schema.registry.url: want http://host:port or https://host:port, got "ftp://(secret)@host"`},
		{name: "everyone can reach it", args: "--listen=:8081", want: `listen: :8081 is not a loopback address`},
		{name: "a name can be anyone's", args: "--listen=here:8081", want: `listen: here:8081 is not a loopback address`},
		{name: "no address", args: "--listen=8081", want: `listen: want host:port, got "8081"`},
		{name: "no such port", args: "--listen=127.0.0.1:99999", want: `listen: want a port from 0 (any free one) to 65535, got "127.0.0.1:99999"`},
		{name: "a port's name", args: "--listen=127.0.0.1:http", want: `listen: want a port from 0`},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := strings.Fields(c.args)
			if c.file != "" {
				args = append(args, "--settings-file="+writeFile(t, "settings", c.file))
			}
			_, err := resolve("test", "", everything{}, args, strings.Fields(c.environ), t.Output())
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %s\nwant %s", err, c.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("I2: the error tells a secret: %s", err)
			}
			if got := exitStatus(err, false); got != ExitUsage {
				t.Errorf("exit status %d, want %d", got, ExitUsage)
			}
		})
	}
}

func TestListenAllowed(t *testing.T) {
	for _, args := range [][]string{
		{"--listen=127.0.0.1:1"}, {"--listen=127.9.9.9:1"}, {"--listen=[::1]:1"}, {"--listen=localhost:1"},
		{"--listen=0.0.0.0:1", "--insecure"}, {"--listen=:1", "--insecure=true"},
	} {
		if _, err := resolve("test", "", everything{}, args, nil, t.Output()); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// TestSpellings derives the three spellings of every shared setting.
func TestSpellings(t *testing.T) {
	for name, want := range map[string][2]string{
		"allowed-lateness":                      {"HIGHWATER_ALLOWED_LATENESS", "allowed.lateness"},
		"bootstrap-servers":                     {"KAFKA_BOOTSTRAP_SERVERS", "bootstrap.servers"},
		"security-protocol":                     {"KAFKA_SECURITY_PROTOCOL", "security.protocol"},
		"sasl-password":                         {"KAFKA_SASL_PASSWORD", "sasl.password"},
		"ssl-endpoint-identification-algorithm": {"KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM", "ssl.endpoint.identification.algorithm"},
		"schema-registry-url":                   {"SCHEMA_REGISTRY_URL", "schema.registry.url"},
		"settled":                               {"HIGHWATER_SETTLED", "settled"},
	} {
		if got := [2]string{EnvName(name), FileName(name)}; got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// TestHelpIsComplete asks for the help of a binary with every group.
func TestHelpIsComplete(t *testing.T) {
	status, help, _ := invoke(Binary[everything]{Name: "test"}, []string{"--help"}, nil)
	if status != ExitOK {
		t.Fatalf("status %d", status)
	}
	flat := strings.Join(strings.Fields(help), " ")
	r, err := resolve("test", "", everything{}, nil, nil, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.settings {
		name := strings.ReplaceAll(s.name, ".", "-")
		if !strings.Contains(flat, "--"+name) || !strings.Contains(flat, "["+EnvName(name)+"]") {
			t.Errorf("the help lacks %s", name)
		}
		if s.value != "" && !strings.Contains(flat, "Default: "+s.value+". ["+EnvName(name)+"]") {
			t.Errorf("the help lacks the default %s of %s", s.value, name)
		}
	}
}

// TestSecretsStayOut is I2 for the log at the start.
func TestSecretsStayOut(t *testing.T) {
	args := []string{"--security-protocol=SASL_SSL", "--sasl-mechanism=PLAIN", "--sasl-username=me", "--sasl-password=hunter2",
		"--schema-registry-url=https://me:hunter3@registry:8081", "--end=nil"}
	status, _, log := invoke(frameBinary, args, nil)
	if status != ExitOK {
		t.Fatalf("status %d: %s", status, log)
	}
	for _, secret := range []string{"hunter2", "hunter3"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log tells %s:\n%s", secret, log)
		}
	}
	for _, want := range []string{
		`name=sasl.password value=(secret) source=flag`,
		`name=schema.registry.url value=https://(secret)@registry:8081 source=flag`,
		`name=allowed.lateness value=10s source=default`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
}

// TestPrefixedGroups is how one process runs several servers.
func TestPrefixedGroups(t *testing.T) {
	type several struct {
		Ingest HTTP `embed:"" prefix:"ingest-"`
		Query  HTTP `embed:"" prefix:"query-"`
	}
	defaults := several{Ingest: HTTP{Listen: "127.0.0.1:8081"}, Query: HTTP{Listen: "127.0.0.1:8082", ShutdownTimeout: 90 * time.Second}}
	r, err := resolve("test", "", defaults, []string{"--ingest-listen=127.0.0.1:1"}, []string{"HIGHWATER_QUERY_INSECURE=true"}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	want := several{
		Ingest: HTTP{Listen: "127.0.0.1:1", ShutdownTimeout: 10 * time.Second},
		Query:  HTTP{Listen: "127.0.0.1:8082", ShutdownTimeout: 90 * time.Second, Insecure: true},
	}
	if r.Settings != want {
		t.Errorf("got %+v\nwant %+v", r.Settings, want)
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0s": 0, "500ms": 500 * time.Millisecond, "1h30m": 90 * time.Minute, "30d": 720 * time.Hour, "1d12h": 36 * time.Hour,
		"1.5h": 90 * time.Minute, "2h5s": 2*time.Hour + 5*time.Second, "100us": 100 * time.Microsecond, "0d": 0,
	} {
		got, err := ParseDuration(text)
		if err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %s, %v, want %s", text, got, err, want)
		}
		if again, err := ParseDuration(FormatDuration(got)); err != nil || again != got {
			t.Errorf("%s doesn't survive %q: %s, %v", got, FormatDuration(got), again, err)
		}
	}
	for _, text := range []string{"", "d", "1", "1.5d", "-1d", "+1d", "1d-1h", "1h1d", "200000d", "106751d24h", "1w", " 1s"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %s, want an error", text, got)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", 5 * time.Minute: "5m", time.Hour: "1h", 24 * time.Hour: "1d", 90 * time.Second: "1m30s", 10 * time.Second: "10s", time.Hour + 30*time.Second: "1h0m30s", 100 * time.Minute: "1h40m",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%d) = %q, want %q", d, got, want)
		}
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]Bytes{"0": 0, "4096": 4096, "64KiB": 64 << 10, "4MiB": 4 << 20, "1GiB": 1 << 30, "1023KiB": 1023 << 10} {
		got, err := ParseBytes(text)
		if err != nil || got != want {
			t.Errorf("ParseBytes(%q) = %d, %v, want %d", text, got, err, want)
		}
		if again, err := ParseBytes(got.String()); err != nil || again != got {
			t.Errorf("%d doesn't survive %q: %d, %v", got, got.String(), again, err)
		}
	}
	for _, text := range []string{"", "KiB", "-1", "1.5MiB", "1MB", "1 MiB", "9223372036854775808", "9000000000GiB"} {
		if got, err := ParseBytes(text); err == nil {
			t.Errorf("ParseBytes(%q) = %d, want an error", text, got)
		}
	}
}

// TestCatalogueIsComplete keeps the list of shared groups in step: every
// struct of settings in it resolves together, and nothing is named twice.
func TestCatalogueIsComplete(t *testing.T) {
	known := catalogueNames()
	for i := range reflect.TypeFor[everything]().NumField() {
		group := reflect.TypeFor[everything]().Field(i).Type
		for j := range group.NumField() {
			if name := group.Field(j).Tag.Get("name"); !known[name] {
				t.Errorf("%s.%s: the catalogue lacks %q", group.Name(), group.Field(j).Name, name)
			}
		}
	}
}
