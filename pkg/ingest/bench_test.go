package ingest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// What a stream costs here, with a broker in the same process.
func BenchmarkStream(b *testing.B) {
	f := newFixture(b, func(c *Config) { c.MaxInFlight, c.MaxBuffered = 1000, 50_000 })
	var body bytes.Buffer
	for i := range b.N {
		fmt.Fprintf(&body, `{"type":"subtract","user_id":"user-%d","event_id":"e-%d","occurred_at":"2026-01-01T00:00:00Z","amount":1}`+"\n", i%1000, i)
	}
	b.SetBytes(int64(body.Len() / b.N))
	b.ReportAllocs()
	b.ResetTimer()
	response, err := f.client.Do(f.request("POST", "/v1/events", &body, "Content-Type", ndjsonType))
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	results, err := io.ReadAll(response.Body)
	if err != nil || bytes.Count(results, []byte(`"recorded"`)) != b.N {
		b.Fatal(err)
	}
}

// One event a request, one after another.
func BenchmarkOne(b *testing.B) {
	f := newFixture(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		if a := f.send("POST", "/v1/events", minimal); a.status != http.StatusAccepted {
			b.Fatal(a.body)
		}
	}
}
