package ingest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"highwater/pkg/codec"
)

// conversation is a stream that is written and read in turn.
type conversation struct {
	t       testing.TB
	f       *fixture
	to      *io.PipeWriter
	from    *bufio.Reader
	closing func() error
}

func (f *fixture) converse() *conversation {
	f.t.Helper()
	body, to := io.Pipe()
	f.t.Cleanup(func() { to.Close() })
	response, err := f.client.Do(f.request("POST", "/v1/events", body, "Content-Type", ndjsonType))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != ndjsonType {
		f.t.Fatalf("%d %s", response.StatusCode, response.Header.Get("Content-Type"))
	}
	return &conversation{f.t, f, to, bufio.NewReader(response.Body), response.Body.Close}
}

func (c *conversation) say(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.to, text); err != nil {
		c.t.Fatal(err)
	}
}

func (c *conversation) hear() Result {
	c.t.Helper()
	line, err := c.from.ReadString('\n')
	if err != nil {
		c.t.Fatalf("%v after %q", err, line)
	}
	var r Result
	c.f.decode(line, &r)
	return r
}

// over checks that nothing more comes.
func (c *conversation) over() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.from); err != nil || len(rest) > 0 {
		c.t.Errorf("%q, %v", rest, err)
	}
}

func addJSON(id string) string {
	return fmt.Sprintf(`{"type":"add","user_id":"bob","event_id":%q,"amount":1}`, id)
}

// Results come while the request is still being written, also before its
// first byte there is an answer, and a connection serves on after it.
func TestStreamBothWays(t *testing.T) {
	f := newFixture(t, nil)
	for range 2 {
		c := f.converse()
		for i := range 5 {
			id := fmt.Sprintf("e-%d", i)
			c.say(addJSON(id) + "\n")
			if r := c.hear(); r.Status != statusRecorded || r.EventID != id {
				t.Fatalf("%+v", r)
			} else if e, _ := f.at(r.Position); e.ID != id {
				t.Errorf("%q is at %s", e.ID, r.Position)
			}
		}
		c.say("{\n")
		if r := c.hear(); r.Status != statusRefused || r.Code != "malformed" {
			t.Errorf("%+v", r)
		}
		c.say(addJSON("last")) // without a line end
		c.to.Close()
		if r := c.hear(); r.Status != statusRecorded || r.EventID != "last" {
			t.Errorf("%+v", r)
		}
		c.over()
	}
	f.recorded(f.send("POST", "/v1/events", minimal))
}

// I2, with many more events than there is room for at a time.
func TestStreamOrder(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.MaxInFlight, c.MaxBuffered = 7, 5 })
	const n = 5000
	body, to := io.Pipe()
	go func() {
		w := bufio.NewWriter(to)
		for i := range n {
			switch {
			case i%7 == 3:
				fmt.Fprintf(w, `{"type":"add","user_id":"u-%d","event_id":"e-%d","amount":0}`+"\r\n", i%50, i)
			case i%11 == 5:
				w.WriteString("nonsense\n\n \t\r\n")
			default:
				fmt.Fprintf(w, `{"type":"add","user_id":"u-%d","event_id":"e-%d","amount":1}`+"\n", i%50, i)
			}
		}
		w.Flush()
		to.Close()
	}()
	a := f.do(f.request("POST", "/v1/events", body, "Content-Type", ndjsonType))
	results := f.results(a.body)
	if len(results) != n {
		t.Fatalf("%d results", len(results))
	}
	recorded := 0
	last := map[string]Result{}
	for i, r := range results {
		id, status, code := fmt.Sprintf("e-%d", i), statusRecorded, ""
		switch {
		case i%7 == 3:
			status, code = statusRefused, "invalid"
		case i%11 == 5:
			id, status, code = "", statusRefused, "malformed"
		default:
			recorded++
			last[fmt.Sprintf("u-%d", i%50)] = r
		}
		if r.EventID != id || r.Status != status || r.Code != code {
			t.Fatalf("%d: %+v", i, r)
		}
	}
	if got := f.count(); got != int64(recorded) {
		t.Errorf("%d records, %d recorded", got, recorded)
	}
	for user, r := range last {
		if e, _ := f.at(r.Position); e.User != user || e.ID != r.EventID {
			t.Errorf("%+v is at %s", e, r.Position)
		}
	}
}

// A line that is too long is refused alone.
func TestStreamLongLine(t *testing.T) {
	f := newFixture(t, nil)
	long := `{"type":"add"` + strings.Repeat(" ", codec.MaxEventBytes) + `}`
	fits := strings.Repeat(" ", codec.MaxEventBytes-len(addJSON("a"))) + addJSON("a")
	a := f.do(f.request("POST", "/v1/events", ndjson(long, fits, addJSON("b"), long+long), "Content-Type", ndjsonType))
	results := f.results(a.body)
	if len(results) != 4 || results[0].Code != "too_large" || results[1].EventID != "a" || results[1].Status != statusRecorded || results[2].EventID != "b" || results[3].Code != "too_large" {
		t.Errorf("%+v", results)
	}
}

func TestStreamOfNothing(t *testing.T) {
	f := newFixture(t, nil)
	for _, body := range []string{"", "\n", " \n\t\r\n"} {
		if a := f.do(f.request("POST", "/v1/events", struct{ io.Reader }{strings.NewReader(body)}, "Content-Type", ndjsonType)); a.status != http.StatusOK || a.body != "" {
			t.Errorf("%q: %d %q", body, a.status, a.body)
		}
	}
}

// A sender that waits for leave to send gets it.
func TestStreamExpectContinue(t *testing.T) {
	f := newFixture(t, nil)
	f.client.Transport.(*http.Transport).ExpectContinueTimeout = patience
	begin := time.Now()
	a := f.do(f.request("POST", "/v1/events", ndjson(addJSON("a"), addJSON("b")), "Content-Type", ndjsonType, "Expect", "100-continue"))
	if results := f.results(a.body); len(results) != 2 || results[1].Status != statusRecorded {
		t.Errorf("%+v", results)
	}
	if time.Since(begin) > patience/2 {
		t.Error("it waited in vain")
	}
}

// I5: a stream that brings nothing is ended, and says so.
func TestStreamIdle(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.StreamIdleTimeout = 50 * time.Millisecond })
	c := f.converse()
	c.say(addJSON("a") + "\n" + addJSON("cut off")[:10])
	if r := c.hear(); r.EventID != "a" || r.Status != statusRecorded {
		t.Errorf("%+v", r)
	}
	if r := c.hear(); r.EventID != "" || r.Status != statusRefused || r.Code != "malformed" || !strings.Contains(r.Message, "broke off") {
		t.Errorf("%+v", r)
	}
	if r := c.hear(); r.EventID != "" || r.Status != statusRefused || r.Code != "stream_idle" {
		t.Errorf("%+v", r)
	}
	c.over()
	if n := f.count(); n != 1 {
		t.Errorf("%d records", n)
	}
}

// At a stop, what came is answered and the stream ends with a word about it.
func TestStreamStops(t *testing.T) {
	f := newFixture(t, nil)
	release := f.hold()
	c := f.converse()
	c.say(addJSON("a") + "\n")
	f.await("the event to wait", func() bool { return len(f.service.producer.slots) == 1 })
	close(f.stopping)
	release()
	if r := c.hear(); r.EventID != "a" || r.Status != statusRecorded {
		t.Errorf("%+v", r)
	}
	if r := c.hear(); r.EventID != "" || r.Code != "stopping" {
		t.Errorf("%+v", r)
	}
	c.over()
}

// A stop doesn't touch what was sent to its end.
func TestStreamEndedBeforeStop(t *testing.T) {
	f := newFixture(t, nil)
	release := f.hold()
	answers := make(chan answer, 1)
	// Of a known length, so that its last byte and its end are read as one.
	go func() {
		answers <- f.do(f.request("POST", "/v1/events", ndjson(addJSON("a")), "Content-Type", ndjsonType))
	}()
	f.await("the event to wait", func() bool { return len(f.service.producer.slots) == 1 })
	close(f.stopping)
	release()
	if results := f.results((<-answers).body); len(results) != 1 || results[0].Status != statusRecorded {
		t.Errorf("%+v", results)
	}
}

// I4: while Kafka doesn't answer, no more than its share of a stream is read.
func TestStreamBackpressure(t *testing.T) {
	const share = 10
	f := newFixture(t, func(c *Config) { c.MaxInFlight = share })
	release := f.hold()
	body, to := io.Pipe()
	const n = 2000
	go func() {
		for i := range n {
			if _, err := io.WriteString(to, addJSON(fmt.Sprintf("e-%d", i))+"\n"); err != nil {
				return
			}
		}
		to.Close()
	}()
	answers := make(chan answer, 1)
	go func() { answers <- f.do(f.request("POST", "/v1/events", body, "Content-Type", ndjsonType)) }()
	slots := f.service.producer.slots
	// One is being answered, and one is read and waits for room.
	f.await("the stream to be full", func() bool { return len(slots) == share+2 })
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for range 50 {
		<-again.C
		if len(slots) != share+2 {
			t.Fatalf("%d events wait", len(slots))
		}
	}
	release()
	if results := f.results((<-answers).body); len(results) != n || results[n-1].Status != statusRecorded {
		t.Errorf("%d results", len(results))
	}
}

// A sender that goes in the middle of an event hasn't sent it.
func TestStreamSenderGoes(t *testing.T) {
	f := newFixture(t, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	whole, part := addJSON("a")+"\n", addJSON("b")
	fmt.Fprintf(conn, "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 1000\r\n\r\n%s%s", ndjsonType, whole, part)
	f.await("the event", func() bool { return f.count() == 1 })
	conn.Close()
	f.await("the stream to end", func() bool { return len(f.service.requests) == 0 })
	if n := f.count(); n != 1 {
		t.Errorf("%d records", n)
	}
}

// A half-closed connection still hears what was wrong.
func TestStreamBrokenOff(t *testing.T) {
	f := newFixture(t, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\nnonsense\r\n", ndjsonType, len(addJSON("a")), addJSON("a"))
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	results := f.results(string(body))
	if len(results) != 2 || results[0].Status != statusRefused || !strings.Contains(results[0].Message, "broke off") || results[1].Code != "malformed" {
		t.Errorf("%+v", results)
	}
	if n := f.count(); n != 0 {
		t.Errorf("%d records", n)
	}
}

// What comes after a stream was ended is no request, whatever it looks like:
// it may be a part of somebody's event.
func TestStreamLeftover(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.StreamIdleTimeout = 50 * time.Millisecond })
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 100000\r\n\r\n%s\n", ndjsonType, addJSON("a"))
	from := bufio.NewReader(conn)
	response, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil || !strings.Contains(string(body), `"code":"stream_idle"`) {
		t.Fatalf("%q, %v", body, err)
	}
	fmt.Fprint(conn, "POST /v1/users/bob/orders/cancel-all HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
	if rest, err := io.ReadAll(from); len(rest) > 0 {
		t.Errorf("it was answered: %q, %v", rest, err)
	}
	if n := f.count(); n != 1 {
		t.Errorf("%d records", n)
	}
}

// A sender that waits for the answer before it sends is refused at once:
// nobody waits for the body of a request that was refused.
func TestStreamRefusedBeforeItBegins(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.MaxRequests = 1 })
	for _, c := range []struct {
		name, path string
		headers    []string
		overloaded bool
		status     int
	}{
		{"no such path", "/v2/events", nil, false, 404},
		{"a query", "/v1/events?a=1", nil, false, 400},
		{"a page of another site", "/v1/events", []string{"Sec-Fetch-Site", "cross-site"}, false, 403},
		{"gzip", "/v1/events", []string{"Content-Encoding", "gzip"}, false, 415},
		{"a key", "/v1/events", []string{idempotencyKey, "k"}, false, 422},
		{"a route of one", "/v1/users/bob/spends", nil, false, 415},
		{"too many requests", "/v1/events", nil, true, 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.overloaded {
				f.service.requests <- struct{}{}
				defer func() { <-f.service.requests }()
			}
			body, to := io.Pipe()
			defer to.Close()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			r := f.request("POST", c.path, body, append([]string{"Content-Type", ndjsonType}, c.headers...)...)
			f.refusal(f.do(r.WithContext(ctx)), c.status)
		})
	}
}
