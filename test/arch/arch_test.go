package arch

import (
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// rule is what one package may import.
type rule struct {
	// ours are packages of this module; a name without a slash is in pkg/.
	ours string
	// libraries are prefixes of other modules' packages.
	libraries string
	// why is said when the rule is broken.
	why string
}

const (
	pure    = "the core is a pure function of its input: standard library only, so that it can be tested by the million and replayed for ever"
	franz   = "github.com/twmb/franz-go/"
	client  = "github.com/twmb/franz-go/pkg/kgo"
	codes   = "github.com/twmb/franz-go/pkg/kerr"
	metrics = "github.com/prometheus/client_golang/"
	pebble  = "github.com/cockroachdb/pebble/v2/"
	thin    = "a binary is a line of main: what it does belongs into its package, where it can be tested and run beside others"
)

// rules has every package of pkg/ and cmd/ (I1).
var rules = map[string]rule{
	// The pure core.
	"pkg/event":     {"", "", "the vocabulary stands below everything: whoever imports it must not get anything else. " + pure},
	"pkg/pack":      {"", "", "bytes of rows, for whoever keeps rows. " + pure},
	"pkg/ledger":    {"event pack", "", "an account knows nothing of who keeps it. " + pure},
	"pkg/order":     {"event", "", "an order knows nothing of who keeps it. " + pure},
	"pkg/timeline":  {"event", "", "a timeline drives any machine: it must not know one. " + pure},
	"pkg/watermark": {"event", "", "progress is told, by explicit ticks. " + pure},
	"pkg/engine":    {"event ledger order pack timeline watermark", "", "the engine sees its rows through a seam and nothing of Kafka, Pebble or bytes. " + pure},

	// The second implementation.
	"pkg/oracle":     {"event", "", "the oracle proves the engine right, so it may share nothing with it but the vocabulary"},
	"pkg/oracle/gen": {"event oracle", "", "histories are made without help from what they test"},

	// The shell.
	"schemas":       {"", "", "the schemas are data"},
	"pkg/codec":     {"event pack schemas", "github.com/twmb/avro", "bytes are turned into events without knowing where they come from or go to"},
	"pkg/state":     {"event engine", pebble + " github.com/cockroachdb/pebble/v2 " + metrics, "the store keeps rows: it knows the engine's seam, and nothing of Kafka"},
	"pkg/kafka":     {"event", franz, "what is agreed with Kafka is the same for everyone, whatever they process"},
	"pkg/replica":   {"event kafka state", client + " " + codes + " " + metrics, "a replica copies batches of rows: it must not know what they mean"},
	"pkg/shard":     {"codec engine event kafka replica state watermark", client + " " + codes + " " + metrics, "a shard puts the core, the store and Kafka together; processes and settings are for those above"},
	"pkg/processor": {"codec engine event kafka replica service shard state", client + " " + codes + " " + metrics + " " + pebble, "a processor decides which shards run; it never touches an event"},
	"pkg/api":       {"event service", "github.com/danielgtaylor/huma/v2 " + metrics, "what both HTTP services have in common knows neither of them"},
	"pkg/ingest":    {"api codec event kafka service", client + " " + codes + " " + metrics + " github.com/danielgtaylor/huma/v2", "ingest hands events to Kafka and reads what became of them: it must not know state, nor decide"},
	"pkg/query": {"api codec engine event kafka ledger order replica service state timeline",
		client + " " + codes + " " + metrics + " " + pebble + " github.com/danielgtaylor/huma/v2", "query answers from a replica, with the engine's own code; it never processes"},
	"pkg/service": {"", client + " github.com/twmb/franz-go/pkg/sasl github.com/alecthomas/kong gopkg.in/yaml.v3 " + metrics,
		"the frame of a process knows no domain type"},

	// For people.
	"pkg/plain":  {"event", "", "lines for people say what records say, and know nothing of where they come from"},
	"pkg/trace":  {"codec event", "", "the sample events are input like any other"},
	"pkg/verify": {"codec event kafka oracle", client + " " + codes, "verify proves the promise with the oracle alone: with the engine's own code it would prove nothing"},
	"pkg/dev": {"codec event ingest kafka plain processor query service trace", franz + " " + metrics,
		"dev puts the services together as they are; it is the only package with the embedded broker"},
	"pkg/bench":     {"codec event kafka plain", franz, "the benchmark measures the binaries from outside"},
	"cmd/ingest":    {"ingest service", "", thin},
	"cmd/query":     {"query service", "", thin},
	"cmd/processor": {"processor service", "", thin},
	"cmd/highwater": {"api bench codec dev event kafka plain processor service trace verify", client + " github.com/alecthomas/kong", "the command line asks the services and Kafka; the engine isn't for it"},

	"deploy/kafka/ready":       {"", franz, "it waits for a broker and knows nothing else"},
	"deploy/kafka/local/await": {"deploy/kafka/ready", "", "it waits for a broker and knows nothing else"},
	"test/broker":              {"deploy/kafka/ready", franz, "it gives tests a broker and knows nothing of what they test"},
}

func (r rule) allows(imported string) bool {
	for name := range strings.FieldsSeq(r.ours) {
		if !strings.Contains(name, "/") && name != "schemas" {
			name = "pkg/" + name
		}
		if name == imported {
			return true
		}
	}
	return false
}

func (r rule) allowsLibrary(imported string) bool {
	for name := range strings.FieldsSeq(r.libraries) {
		if imported == name || strings.HasPrefix(imported, strings.TrimSuffix(name, "/")+"/") {
			return true
		}
	}
	return false
}

// TestImports is I1 and I2.
func TestImports(t *testing.T) {
	units := tree(t)
	for _, name := range slices.Sorted(maps.Keys(units)) {
		r, ok := rules[name]
		if !ok && strings.HasPrefix(name, "test/") {
			continue // what only tests need may import what it tests
		}
		if !ok {
			t.Errorf("%s has no rule: say in test/arch what it may import, and why", name)
			continue
		}
		for _, imported := range slices.Sorted(maps.Keys(units[name].ours())) {
			if !r.allows(imported) {
				t.Errorf("%s imports %s: %s", units[name].ours()[imported], imported, r.why)
			}
		}
		for _, imported := range slices.Sorted(maps.Keys(units[name].libraries())) {
			if !r.allowsLibrary(imported) {
				t.Errorf("%s imports %s: %s", units[name].libraries()[imported], imported, r.why)
			}
		}
	}
	for name := range rules {
		if _, ok := units[name]; !ok {
			t.Errorf("there is a rule for %s, which doesn't exist: take it out", name)
		}
	}
}

// embedded are packages that stand in for somebody else's service.
var embedded = []string{
	"github.com/twmb/franz-go/pkg/kfake",
	"github.com/twmb/franz-go/pkg/sr/srfake",
}

// TestEmbeddedBroker is I3.
func TestEmbeddedBroker(t *testing.T) {
	units := tree(t)
	found := false
	for name, u := range units {
		for _, fake := range embedded {
			if file, ok := u.imports[fake]; ok {
				found = true
				if name != "pkg/dev" {
					t.Errorf("%s imports %s: the embedded broker and registry are for trying only, and a crash can tear what they hold; they live in pkg/dev", file, fake)
				}
			}
		}
	}
	if !found {
		t.Error("nothing imports the embedded broker: this test would prove nothing")
	}
	for name := range units {
		if name == "cmd/highwater" || name == "pkg/dev" {
			continue
		}
		if way := closure(units, name)["pkg/dev"]; way != nil {
			t.Errorf("%s links the embedded broker: only cmd/highwater may, so that no service can ever run on it by mistake", strings.Join(way, " -> "))
		}
	}
}

// core are the packages of I4.
var core = []string{"pkg/event", "pkg/pack", "pkg/ledger", "pkg/order", "pkg/timeline", "pkg/watermark", "pkg/engine", "pkg/oracle"}

// impure are packages of the standard library that the core has no use for.
var impure = map[string]string{
	"context":   "nothing in the core waits or can be cancelled",
	"os":        "the core reads and writes nothing",
	"io":        "the core reads and writes nothing",
	"net":       "the core reads and writes nothing",
	"log":       "the core says what happened in what it returns",
	"log/slog":  "the core says what happened in what it returns",
	"sync":      "one goroutine owns a shard, and the core starts none",
	"math/rand": "the same input gives the same output",
	"reflect":   "the core's types are known",
	"unsafe":    "the core has no bytes to look into",
	"runtime":   "the core doesn't know what it runs on",
}

// TestPureCore is I4.
func TestPureCore(t *testing.T) {
	units := tree(t)
	for _, name := range core {
		for imported, file := range units[name].standard() {
			for at := imported; at != "."; at = path.Dir(at) {
				if why, ok := impure[at]; ok {
					t.Errorf("%s imports %s: %s", file, imported, why)
				}
			}
		}
	}
}

// TestOracleStandsAlone keeps the second implementation out of what it proves.
func TestOracleStandsAlone(t *testing.T) {
	units := tree(t)
	for name := range units {
		if _, ok := units[name].ours()["pkg/oracle"]; ok && name != "pkg/verify" && name != "pkg/oracle/gen" {
			t.Errorf("%s imports pkg/oracle: it is slow on purpose, and what uses it can't be proved by it; it is for verify and for tests", name)
		}
	}
}
