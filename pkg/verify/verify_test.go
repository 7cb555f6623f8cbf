package verify

import (
	"bytes"
	"testing"
)

func TestARunningSystemIsVerified(t *testing.T) {
	p := newPipeline(t)
	p.run(t)
	all := load()
	for n := range 3 {
		p.send(t, all[n*len(all)/3:(n+1)*len(all)/3])
		var b bytes.Buffer
		ok, err := Run(t.Context(), p.options, &b)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			t.Fatalf("after %d of 3 parts:\n%s", n+1, b.String())
		}
		t.Logf("after %d of 3 parts:\n%s", n+1, b.String())
	}
}
