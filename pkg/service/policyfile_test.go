package service

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestPolicies(t *testing.T) {
	path := writeFile(t, "policies.yaml", `
# one asset by name, one for the rest
assets:
  credits: {shortfall: debt, refund_expired: forfeit, max_spend_amount: 1000, max_spend_count: 10, window: 1h}
  gems.v2:
  "*":
    shortfall: debt
    max_spend_count: 3
    window: 30d
orders: {max_live_orders: 100, max_order_notional: "1000000.50"}
`)
	got, err := Policies{File: path}.Load()
	if err != nil {
		t.Fatal(err)
	}
	want := PolicyFile{
		Assets: map[string]AssetPolicy{
			"credits": {Shortfall: "debt", RefundExpired: "forfeit", MaxSpendAmount: 1000, MaxSpendCount: 10, Window: time.Hour},
			"gems.v2": {Shortfall: "forgive", RefundExpired: "restore"},
			"*":       {Shortfall: "debt", RefundExpired: "restore", MaxSpendCount: 3, Window: 720 * time.Hour},
		},
		Orders: OrderPolicy{MaxLiveOrders: 100, MaxOrderNotional: "1000000.50"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for asset, want := range map[string]string{"credits": "debt", "gems.v2": "forgive", "other": "debt"} {
		if got := got.Asset(asset).Shortfall; got != want {
			t.Errorf("shortfall of %s: %s, want %s", asset, got, want)
		}
	}
	if got := (PolicyFile{}).Asset("credits"); got != defaultAssetPolicy() {
		t.Errorf("without a file: %+v", got)
	}
}

func TestPoliciesEmpty(t *testing.T) {
	for _, content := range []string{"", "# nothing\n", "{}", "assets:\norders:\n", "---\n"} {
		got, err := ParsePolicies([]byte(content))
		if err != nil || len(got.Assets) != 0 || got.Orders != (OrderPolicy{}) {
			t.Errorf("%q: %+v, %v", content, got, err)
		}
	}
	if got, err := (Policies{}).Load(); err != nil || len(got.Assets) != 0 {
		t.Errorf("no file: %+v, %v", got, err)
	}
}

func TestPolicyErrors(t *testing.T) {
	for content, want := range map[string]string{
		"asets: {}": `1: asets: unknown key; known are assets, orders`,
		"assets:\n  credits:\n    shortfal: debt":        `3: assets.credits.shortfal: unknown key; known are shortfall,`,
		"assets:\n  credits:\n    shortfall: maybe":      `3: assets.credits.shortfall: want forgive or debt, at "maybe"`,
		"assets: {credits: {refund_expired: [a]}}":       `1: assets.credits.refund_expired: want restore or forfeit`,
		"assets: {Credits: {}}":                          `1: assets.Credits: want an asset name`,
		"assets: {credits: debt}":                        `1: assets.credits: want keys and values, at "debt"`,
		"assets: [credits]":                              `1: assets: want keys and values`,
		"- assets":                                       `1: want keys and values`,
		"assets:\n  credits: {}\n  credits: {}":          `3: assets.credits: it is already set in line 2`,
		"assets: {c: {max_spend_count: 3}}":              `1: assets.c.window: max_spend_amount and max_spend_count need it`,
		"assets: {c: {window: 1h}}":                      `1: assets.c.window: it does nothing without`,
		"assets: {c: {max_spend_amount: 0}}":             `assets.c.max_spend_amount: want a whole number above zero; leave the key out for no rule, at "0"`,
		"assets: {c: {max_spend_amount: 1.5}}":           `assets.c.max_spend_amount: want a whole number`,
		"assets: {c: {max_spend_amount: '5'}}":           `assets.c.max_spend_amount: want a whole number`,
		"assets: {c: {max_spend_amount: 1e30}}":          `assets.c.max_spend_amount: want a whole number`,
		"assets: {c: {max_spend_count: 1, window: -1h}}": `assets.c.window: want a duration`,
		"assets: {c: {max_spend_count: 1, window: 1ns}}": `assets.c.window: want a duration`,
		"orders: {max_live_orders: -1}":                  `orders.max_live_orders: want a whole number above zero`,
		"orders: {max_order_notional: 0.00}":             `orders.max_order_notional: want a decimal above zero`,
		"orders: {max_order_notional: 1e6}":              `orders.max_order_notional: want a decimal above zero`,
		"orders: {max_order_notional: {}}":               `orders.max_order_notional: want a decimal above zero`,
		"orders: {max_orders: 1}":                        `orders.max_orders: unknown key`,
		"a: &a {}\nb: *a":                                `1: a: unknown key`,
		"assets: {c: &x {}, d: *x}":                      `aliases and merges aren't supported`,
		"assets: {c: {<<: {shortfall: debt}}}":           `aliases and merges aren't supported`,
		"assets: {c: {}}\n---\norders: {}":               `want one document, this starts another`,
		"assets: {c":                                     `1: `,
		"a: b: c":                                        `1: `,
		"\x00":                                           `1: `,
		strings.Repeat("#", maxSettingsFileBytes+1):      `1: the file is larger than 1MiB`,
		strings.Repeat("[", 20000):                       `1: `,
	} {
		_, err := ParsePolicies([]byte(content))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q:\n got %v\nwant %s", content, err, want)
		}
	}
}

func TestPolicyFileErrors(t *testing.T) {
	path := writeFile(t, "policies.yaml", "\nassets: {c: 1}\n")
	for file, want := range map[string]string{
		path:                                  path + ":2: assets.c: want keys and values",
		filepath.Join(t.TempDir(), "missing"): "policies.file: open ",
	} {
		_, err := Policies{File: file}.Load()
		if err == nil || !strings.Contains(err.Error(), want) || exitStatus(err, false) != ExitUsage {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func FuzzParsePolicies(f *testing.F) {
	f.Add([]byte(`assets: {credits: {shortfall: debt, max_spend_amount: 1, window: 1h}, "*": }`))
	f.Add([]byte(`orders: {max_live_orders: 100, max_order_notional: "1"}`))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, content []byte) {
		policies, err := ParsePolicies(content)
		if err != nil {
			return
		}
		for asset, p := range policies.Assets {
			if p.Shortfall == "" || p.RefundExpired == "" || p.MaxSpendAmount < 0 || p.MaxSpendCount < 0 || p.Window < 0 {
				t.Errorf("%s: %+v", asset, p)
			}
		}
	})
}
