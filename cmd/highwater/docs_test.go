package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"highwater/pkg/ingest"
	"highwater/pkg/kafka"
	"highwater/pkg/processor"
	"highwater/pkg/query"
	"highwater/pkg/service"
)

const root = "../.."

// block is one fenced block of a document.
type block struct {
	line     int
	language string // the first word behind the fence
	label    string // the rest of it
	text     string
}

var fence = regexp.MustCompile("(?ms)^```(\\w*) ?(\\w*)\n(.*?)^```$")

func blocks(t *testing.T, document string) []block {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	for _, at := range fence.FindAllSubmatchIndex(text, -1) {
		part := func(i int) string { return string(text[at[2*i]:at[2*i+1]]) }
		all = append(all, block{bytes.Count(text[:at[0]], []byte("\n")) + 1, part(1), part(2), part(3)})
	}
	if len(all) == 0 {
		t.Fatalf("%s shows nothing", document)
	}
	return all
}

// reader is a person who types what a document shows.
type reader struct {
	t       *testing.T
	dev     *running
	environ []string
	replace *strings.Replacer
	hasKcat bool
}

func newReader(t *testing.T) *reader {
	t.Helper()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is missing: the documents' commands are run with it", tool)
		}
	}
	_, kcatErr := exec.LookPath("kcat")
	if kcatErr != nil && os.Getenv("CI") != "" {
		t.Fatal("kcat is missing")
	}
	dev := startDev(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	kafka, query := dev.address("Kafka"), dev.address("read API")
	return &reader{
		t: t, dev: dev, hasKcat: kcatErr == nil,
		environ: append(os.Environ(), asProgram+"=highwater", "KAFKA_BOOTSTRAP_SERVERS="+kafka, "HIGHWATER_QUERY=http://"+query),
		replace: strings.NewReplacer(
			"go run ./cmd/highwater", self, "build/bin/highwater", self,
			"127.0.0.1:9092", kafka, "127.0.0.1:8081", dev.address("write API"), "127.0.0.1:8082", query,
			"127.0.0.1:8083", dev.address("processor"), "127.0.0.1:8084", dev.address("registry"),
		),
	}
}

// follow runs what a document shows, and compares the answers that it shows.
func (r *reader) follow(document string) {
	r.t.Helper()
	all := blocks(r.t, document)
	for i, b := range all {
		if b.language != "sh" || b.label != "" {
			continue
		}
		var answer block
		if i+1 < len(all) && (all[i+1].language == "json" || all[i+1].language == "text") {
			answer = all[i+1]
		}
		r.run(fmt.Sprintf("%s:%d", document, b.line), b.text, answer)
	}
}

// run types a block until the answer is the one shown: events take a moment,
// and to send one again has no effect.
func (r *reader) run(where, script string, want block) {
	r.t.Helper()
	if !r.hasKcat && strings.Contains(script, "kcat") {
		script = withoutKcat(script)
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	last, said := error(nil), ""
	for {
		var stdout, stderr bytes.Buffer
		command := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", r.replace.Replace(script))
		command.Env, command.Stdout, command.Stderr = r.environ, &stdout, &stderr
		err := command.Run()
		if err == nil {
			err = differs(want, stdout.String())
		}
		if err == nil {
			return
		}
		if ctx.Err() == nil || last == nil { // else it was broken off
			last, said = err, stdout.String()+stderr.String()
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			r.t.Errorf("%s: %v\n%s\nanswered:\n%s", where, last, script, said)
			return
		}
	}
}

// withoutKcat runs this test binary in kcat's place.
func withoutKcat(script string) string {
	return regexp.MustCompile(`(?m)(^|\| *|^ +)kcat `).ReplaceAllString(script, "${1}env "+asProgram+"=kcat go run ./cmd/highwater ")
}

// differs says how an answer isn't the one shown: JSON may have more fields
// than are shown, text may have more lines.
func differs(want block, got string) error {
	switch want.language {
	case "json":
		answers := values(got)
		for _, shown := range values(want.text) {
			at := slices.IndexFunc(answers, func(a any) bool { return includes(a, shown) })
			if at < 0 {
				return fmt.Errorf("no answer has %v", shown)
			}
			answers = answers[at+1:]
		}
	case "text":
		for line := range strings.Lines(want.text) {
			if !strings.Contains("\n"+got+"\n", "\n"+strings.TrimSpace(line)+"\n") {
				return fmt.Errorf("no line is %q", line)
			}
		}
	}
	return nil
}

// values are the JSON objects in a text, whatever else is said between them.
func values(text string) []any {
	var all []any
	for {
		at := strings.IndexByte(text, '{')
		if at < 0 {
			return all
		}
		text = text[at:]
		var v any
		d := json.NewDecoder(strings.NewReader(text))
		if err := d.Decode(&v); err != nil {
			text = text[1:]
			continue
		}
		all = append(all, v)
		text = text[d.InputOffset():]
	}
}

// includes reports whether a value has everything that is shown of it.
func includes(value, shown any) bool {
	switch s := shown.(type) {
	case map[string]any:
		v, ok := value.(map[string]any)
		if !ok {
			return false
		}
		for name, want := range s {
			got, ok := v[name]
			if !ok || !includes(got, want) {
				return false
			}
		}
		return true
	case []any:
		v, ok := value.([]any)
		if !ok || len(v) < len(s) {
			return false
		}
		for i := range s {
			if !includes(v[i], s[i]) {
				return false
			}
		}
		return true
	}
	return value == shown
}

// TestDocuments does what a reader of the documents does.
func TestDocuments(t *testing.T) {
	r := newReader(t)
	r.follow("README.md")
	r.follow("docs/quickstart.md")
	if !testing.Short() { // it verifies the whole trace, which is slow under the race detector
		r.follow("docs/kafka.md")
	}
	metrics := r.metrics()
	for document, text := range documents(t) {
		for _, name := range regexp.MustCompile(`highwater_[a-z_]+`).FindAllString(text, -1) {
			if !strings.Contains(metrics, "\n"+name) {
				t.Errorf("%s names the metric %s, which no service has", document, name)
			}
		}
	}
}

// documents are the texts for people, by path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	texts := make(map[string]string)
	for _, path := range append(paths, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(text)
	}
	return texts
}

// TestDocumentsName holds what documents name to what there is: files, make's
// targets, programs.
func TestDocumentsName(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for document, text := range documents(t) {
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(document), link[1])); err != nil {
				t.Errorf("%s: %v", document, err)
			}
		}
		for _, target := range regexp.MustCompile("(?m)(?:^|`)make ([a-z-]+)").FindAllStringSubmatch(text, -1) {
			if !strings.Contains(string(makefile), "\n"+target[1]+":") {
				t.Errorf("%s: make has no target %s", document, target[1])
			}
		}
		for _, program := range regexp.MustCompile(`build/bin/([a-z]+)`).FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, "cmd", program[1])); err != nil {
				t.Errorf("%s: %v", document, err)
			}
		}
	}
}

// kafkas are settings that documents name and that are Kafka's own.
var kafkas = []string{"message.timestamp.type", "transaction.version", "min.insync.replicas", "isolation.level", "add.partitions.to.txn.retry.backoff.ms"}

// TestDocumentsSettings holds the settings that documents name to those that
// there are.
func TestDocumentsSettings(t *testing.T) {
	help := invoke(t, "", "dev", "--help").stdout + invoke(t, "", "topics", "apply", "--help").stdout
	for _, b := range []interface {
		Main(context.Context, service.Invocation) int
	}{
		service.Binary[processor.Settings]{Name: "processor", Defaults: processor.Defaults()},
		service.Binary[ingest.Settings]{Name: "ingest", Defaults: ingest.Defaults()},
		service.Binary[query.Settings]{Name: "query", Defaults: query.Defaults()},
	} {
		var out bytes.Buffer
		if status := b.Main(t.Context(), service.Invocation{Args: []string{"--help"}, Stdout: &out, Stderr: &out}); status != 0 {
			t.Fatalf("--help ended with %d:\n%s", status, out.String())
		}
		help += out.String()
	}
	for document, text := range documents(t) {
		for _, found := range regexp.MustCompile("`([a-z]+(?:\\.[a-z]+)+)[`=]").FindAllStringSubmatch(text, -1) {
			name := found[1]
			if slices.Contains(kafkas, name) || name == kafka.HeaderOmitted || strings.HasSuffix(name, ".md") || strings.HasSuffix(name, ".yaml") {
				continue
			}
			if !strings.Contains(help, "--"+strings.ReplaceAll(name, ".", "-")) {
				t.Errorf("%s names the setting %s, which nothing has", document, name)
			}
		}
	}
}

// metrics are those of all services.
func (r *reader) metrics() string {
	r.t.Helper()
	var all strings.Builder
	for _, what := range []string{"write API", "read API", "processor"} {
		answer, err := http.Get("http://" + r.dev.address(what) + "/metrics")
		if err != nil {
			r.t.Fatal(err)
		}
		all.WriteByte('\n')
		if _, err := io.Copy(&all, answer.Body); err != nil {
			r.t.Fatal(err)
		}
		answer.Body.Close()
	}
	return all.String()
}
