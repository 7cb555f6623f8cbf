// Package compose checks docker-compose.yml where there is no Docker to run it: that it is well-formed, that what it
// names exists, and that its broker is set up like the one the tests use.
package compose

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const root = "../.."

type file struct {
	Name     string             `yaml:"name"`
	Services map[string]service `yaml:"services"`
	Volumes  map[string]any     `yaml:"volumes"`
	// Anchors that services share.
	Highwater   any `yaml:"x-highwater"`
	Environment any `yaml:"x-environment"`
}

type service struct {
	Image string `yaml:"image"`
	Build *struct {
		Context    string `yaml:"context"`
		Dockerfile string `yaml:"dockerfile"`
	} `yaml:"build"`
	Command         []string          `yaml:"command"`
	Environment     map[string]string `yaml:"environment"`
	Ports           []string          `yaml:"ports"`
	Volumes         []string          `yaml:"volumes"`
	Init            bool              `yaml:"init"`
	Restart         string            `yaml:"restart"`
	StopGracePeriod string            `yaml:"stop_grace_period"`
	DependsOn       map[string]struct {
		Condition string `yaml:"condition"`
	} `yaml:"depends_on"`
	Healthcheck *struct {
		Test        []string `yaml:"test"`
		Interval    string   `yaml:"interval"`
		Timeout     string   `yaml:"timeout"`
		Retries     int      `yaml:"retries"`
		StartPeriod string   `yaml:"start_period"`
	} `yaml:"healthcheck"`
}

// load refuses every field that this test doesn't know: a mistyped one is otherwise found only by Docker.
func load(t *testing.T) file {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var f file
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	decoder.KnownFields(true)
	if err := decoder.Decode(&f); err != nil {
		t.Fatalf("docker-compose.yml: %v", err)
	}
	return f
}

func TestServicesArePresent(t *testing.T) {
	f := load(t)
	want := []string{"ingest", "kafka", "processor", "query", "topics"}
	if got := slices.Sorted(maps.Keys(f.Services)); !slices.Equal(got, want) {
		t.Errorf("services are %v, want %v", got, want)
	}
	for name, command := range map[string]string{
		"ingest": "ingest", "query": "query", "processor": "processor", "topics": "highwater topics apply",
	} {
		if got := strings.Join(f.Services[name].Command, " "); got != command {
			t.Errorf("service %s runs %q, want %q", name, got, command)
		}
	}
}

func TestImagesArePinned(t *testing.T) {
	version := regexp.MustCompile(`^[a-z0-9./-]+:[0-9]+\.[0-9]+[a-z0-9.-]*$`)
	for name, s := range load(t).Services {
		if s.Build == nil {
			if !version.MatchString(s.Image) {
				t.Errorf("service %s: image %q must name a version, as in apache/kafka:4.4.0", name, s.Image)
			}
			continue
		}
		dockerfile := filepath.Join(root, s.Build.Context, s.Build.Dockerfile)
		text, err := os.ReadFile(dockerfile)
		if err != nil {
			t.Errorf("service %s: %v", name, err)
			continue
		}
		bases := regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(string(text), -1)
		if len(bases) == 0 {
			t.Errorf("%s has no FROM", dockerfile)
		}
		for _, base := range bases {
			if !version.MatchString(base[1]) {
				t.Errorf("%s: base image %q must name a version", dockerfile, base[1])
			}
		}
	}
}

func TestImageHasWhatIsRun(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "deploy/docker/Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range load(t).Services {
		if s.Build == nil {
			continue
		}
		if !strings.Contains(string(text), "./cmd/"+s.Command[0]) {
			t.Errorf("service %s runs %s, which the Dockerfile doesn't build", name, s.Command[0])
		}
		if s.Healthcheck != nil && !strings.Contains(string(text), "/usr/local/bin/"+s.Healthcheck.Test[1]) {
			t.Errorf("service %s is checked with %s, which the Dockerfile doesn't copy", name, s.Healthcheck.Test[1])
		}
	}
}

func TestEnvironmentIsOfSettings(t *testing.T) {
	for name, s := range load(t).Services {
		legal := regexp.MustCompile(`^(HIGHWATER|KAFKA)_[A-Z][A-Z0-9_]*$`)
		if name == "kafka" {
			legal = regexp.MustCompile(`^(CLUSTER_ID|KAFKA_[A-Z][A-Z0-9_]*)$`)
		}
		for key, value := range s.Environment {
			if !legal.MatchString(key) {
				t.Errorf("service %s: %s is no setting; want %v", name, key, legal)
			}
			if value == "" {
				t.Errorf("service %s: %s is empty", name, key)
			}
		}
	}
}

func TestDependenciesExist(t *testing.T) {
	f := load(t)
	for name, s := range f.Services {
		for on, how := range s.DependsOn {
			other, ok := f.Services[on]
			switch {
			case !ok:
				t.Errorf("service %s depends on %s, which isn't there", name, on)
			case how.Condition == "service_healthy" && other.Healthcheck == nil:
				t.Errorf("service %s waits for the health of %s, which has no healthcheck", name, on)
			case how.Condition == "service_completed_successfully" && other.Healthcheck != nil:
				t.Errorf("service %s waits for the end of %s, which looks like one that stays", name, on)
			case how.Condition != "service_healthy" && how.Condition != "service_completed_successfully":
				t.Errorf("service %s: condition %q of %s waits for nothing", name, how.Condition, on)
			}
		}
		for _, volume := range s.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if _, ok := f.Volumes[source]; !ok {
				t.Errorf("service %s mounts %s, which isn't among the volumes", name, source)
			}
		}
	}
	if err := acyclic(f.Services); err != nil {
		t.Error(err)
	}
}

func acyclic(services map[string]service) error {
	done := map[string]bool{}
	for len(done) < len(services) {
		before := len(done)
		for name, s := range services {
			ready := true
			for on := range s.DependsOn {
				ready = ready && done[on]
			}
			if ready {
				done[name] = true
			}
		}
		if len(done) == before {
			return fmt.Errorf("only %v can start: the others depend on each other", slices.Sorted(maps.Keys(done)))
		}
	}
	return nil
}

func TestServicesAreCheckedWhereTheyListen(t *testing.T) {
	for name, s := range load(t).Services {
		if name == "topics" {
			continue // runs once
		}
		if s.Healthcheck == nil || len(s.Healthcheck.Test) < 2 || s.Healthcheck.Test[0] != "CMD" {
			t.Errorf("service %s needs a healthcheck of the form [CMD, ...]", name)
			continue
		}
		if s.Healthcheck.Interval == "" || s.Healthcheck.Timeout == "" || s.Healthcheck.Retries == 0 {
			t.Errorf("service %s: a healthcheck needs interval, timeout and retries", name)
		}
		listen := s.Environment["HIGHWATER_LISTEN"]
		if listen == "" {
			continue
		}
		host, port, err := net.SplitHostPort(listen)
		if err != nil {
			t.Errorf("service %s: HIGHWATER_LISTEN: %v", name, err)
			continue
		}
		if asked := s.Healthcheck.Test[len(s.Healthcheck.Test)-1]; asked != port {
			t.Errorf("service %s listens on port %s and is checked on %s", name, port, asked)
		}
		if loopback := net.ParseIP(host).IsLoopback(); loopback == (s.Environment["HIGHWATER_INSECURE"] == "true") {
			t.Errorf("service %s: HIGHWATER_INSECURE goes with an address beyond loopback, %s", name, listen)
		}
	}
}

func TestNothingIsPublishedBeyondThisMachine(t *testing.T) {
	published := map[string]string{}
	for name, s := range load(t).Services {
		for _, port := range s.Ports {
			parts := strings.Split(port, ":")
			if len(parts) != 3 || parts[0] != "127.0.0.1" {
				t.Errorf("service %s: port %q must be published as 127.0.0.1:PORT:PORT", name, port)
				continue
			}
			if other, taken := published[parts[1]]; taken {
				t.Errorf("services %s and %s both publish port %s", name, other, parts[1])
			}
			published[parts[1]] = name
		}
	}
}

// TestBrokerIsTheTestedOne compares the settings with those of the local broker, apart from where it is found.
func TestBrokerIsTheTestedOne(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "deploy/kafka/local/server.properties.tmpl"))
	if err != nil {
		t.Fatal(err)
	}
	environment := load(t).Services["kafka"].Environment
	placed := regexp.MustCompile(`listener|^log\.dirs$|^controller\.quorum\.`)
	compared := 0
	for line := range strings.Lines(string(text)) {
		name, want, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(name, "#") || placed.MatchString(name) {
			continue
		}
		compared++
		variable := "KAFKA_" + strings.ToUpper(strings.ReplaceAll(name, ".", "_"))
		if got := environment[variable]; got != want {
			t.Errorf("%s is %q, the local broker has %s=%s", variable, got, name, want)
		}
	}
	if compared < 10 {
		t.Errorf("only %d settings found to compare", compared)
	}
}

func TestBrokerIsWhereServicesLookForIt(t *testing.T) {
	f := load(t)
	advertised := f.Services["kafka"].Environment["KAFKA_ADVERTISED_LISTENERS"]
	for name, s := range f.Services {
		if name == "kafka" {
			continue
		}
		if servers := s.Environment["KAFKA_BOOTSTRAP_SERVERS"]; !strings.Contains(advertised, "INTERNAL://"+servers) || servers == "" {
			t.Errorf("service %s looks for Kafka at %q, which is advertised at %s", name, servers, advertised)
		}
	}
}
