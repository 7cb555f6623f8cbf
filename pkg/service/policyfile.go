package service

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// PolicyFile is what the file of policies says. Its zero value is every
// default: shortfalls are forgiven, refunds restore, no risk rule is on.
type PolicyFile struct {
	// Assets are the rules by asset; AnyAsset stands for those not named.
	Assets map[string]AssetPolicy
	Orders OrderPolicy
}

// AnyAsset is the entry for every asset that has none of its own.
const AnyAsset = "*"

// AssetPolicy are the rules of one asset. A named asset takes nothing from
// AnyAsset: what it leaves out has its default.
type AssetPolicy struct {
	Shortfall      string        // forgive (default) or debt
	RefundExpired  string        // restore (default) or forfeit
	MaxSpendAmount int64         // most that may be spent in a window, in minor units; 0: no rule
	MaxSpendCount  int64         // most spends in a window; 0: no rule
	Window         time.Duration // of event time; set if and only if a rule is
}

// OrderPolicy are the rules for orders.
type OrderPolicy struct {
	MaxLiveOrders    int64  // of one user; 0: no rule
	MaxOrderNotional string // of one order, a decimal above zero; empty: no rule
}

// Asset returns the rules of one asset.
func (p PolicyFile) Asset(asset string) AssetPolicy {
	if policy, ok := p.Assets[asset]; ok {
		return policy
	}
	if policy, ok := p.Assets[AnyAsset]; ok {
		return policy
	}
	return defaultAssetPolicy()
}

func defaultAssetPolicy() AssetPolicy {
	return AssetPolicy{Shortfall: "forgive", RefundExpired: "restore"}
}

// ReadPolicyFile reads a YAML file. Every error is a UsageError with the file,
// the line and the key.
func ReadPolicyFile(path string) (PolicyFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return PolicyFile{}, Usagef("policies.file: %w", err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxSettingsFileBytes+1))
	if err != nil {
		return PolicyFile{}, Usagef("policies.file: %w", err)
	}
	policies, err := ParsePolicies(content)
	if err != nil {
		return PolicyFile{}, Usagef("%s:%w", path, err)
	}
	return policies, nil
}

// ParsePolicies reads YAML. An error starts with the line, then the key.
func ParsePolicies(content []byte) (PolicyFile, error) {
	if len(content) > maxSettingsFileBytes {
		return PolicyFile{}, fmt.Errorf("1: the file is larger than %s", Bytes(maxSettingsFileBytes))
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(content)))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			return PolicyFile{}, nil
		}
		return PolicyFile{}, yamlError(err)
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		return PolicyFile{}, lineError(&second, "", "want one document, this starts another")
	} else if !errors.Is(err, io.EOF) {
		return PolicyFile{}, yamlError(err)
	}
	var policies PolicyFile
	err := eachKey(document.Content[0], "", func(key string, at, value *yaml.Node) error {
		switch key {
		case "assets":
			return policies.readAssets(value)
		case "orders":
			return policies.Orders.read(value)
		}
		return unknownKey(at, key, "assets, orders")
	})
	return policies, err
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?line ([0-9]+): (.*)$`)

func yamlError(err error) error {
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("%s: %s", m[1], m[2])
	}
	return fmt.Errorf("1: %w", err)
}

var assetName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

func (p *PolicyFile) readAssets(node *yaml.Node) error {
	p.Assets = map[string]AssetPolicy{}
	return eachKey(node, "assets", func(asset string, at, value *yaml.Node) error {
		path := "assets." + asset
		if asset != AnyAsset && !assetName.MatchString(asset) {
			return lineError(at, path, "want an asset name ([a-z0-9][a-z0-9._-]{0,63}) or \"*\"")
		}
		policy := defaultAssetPolicy()
		if err := policy.read(value, path); err != nil {
			return err
		}
		p.Assets[asset] = policy
		return nil
	})
}

func (a *AssetPolicy) read(node *yaml.Node, path string) error {
	err := eachKey(node, path, func(key string, at, value *yaml.Node) (err error) {
		path := path + "." + key
		switch key {
		case "shortfall":
			a.Shortfall, err = choice(value, path, "forgive", "debt")
		case "refund_expired":
			a.RefundExpired, err = choice(value, path, "restore", "forfeit")
		case "max_spend_amount":
			a.MaxSpendAmount, err = positive(value, path)
		case "max_spend_count":
			a.MaxSpendCount, err = positive(value, path)
		case "window":
			a.Window, err = window(value, path)
		default:
			return unknownKey(at, path, "shortfall, refund_expired, max_spend_amount, max_spend_count, window")
		}
		return err
	})
	if err != nil {
		return err
	}
	ruled := a.MaxSpendAmount > 0 || a.MaxSpendCount > 0
	if ruled && a.Window == 0 {
		return lineError(node, path+".window", "max_spend_amount and max_spend_count need it, such as 1h")
	}
	if !ruled && a.Window > 0 {
		return lineError(node, path+".window", "it does nothing without max_spend_amount or max_spend_count")
	}
	return nil
}

// decimal is decimal(72,18) in JSON's notation.
var decimal = regexp.MustCompile(`^[0-9]{1,54}(\.[0-9]{1,18})?$`)

func (o *OrderPolicy) read(node *yaml.Node) error {
	return eachKey(node, "orders", func(key string, at, value *yaml.Node) (err error) {
		path := "orders." + key
		switch key {
		case "max_live_orders":
			o.MaxLiveOrders, err = positive(value, path)
		case "max_order_notional":
			if value.Kind != yaml.ScalarNode || !decimal.MatchString(value.Value) || strings.Trim(value.Value, "0.") == "" {
				return lineError(value, path, "want a decimal above zero such as \"1000000\"")
			}
			o.MaxOrderNotional = value.Value
		default:
			return unknownKey(at, path, "max_live_orders, max_order_notional")
		}
		return err
	})
}

// eachKey walks a mapping in the order of the file. Nothing at all counts as
// an empty one.
func eachKey(node *yaml.Node, path string, visit func(key string, at, value *yaml.Node) error) error {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return nil
	}
	if node.Kind != yaml.MappingNode {
		return lineError(node, path, "want keys and values")
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		at, value := node.Content[i], node.Content[i+1]
		if at.Kind != yaml.ScalarNode || at.Tag == "!!merge" || value.Kind == yaml.AliasNode {
			return lineError(at, path, "anchors, aliases and merges aren't supported; write it out")
		}
		if line, ok := seen[at.Value]; ok {
			return lineError(at, strings.TrimPrefix(path+"."+at.Value, "."), fmt.Sprintf("it is already set in line %d", line))
		}
		seen[at.Value] = at.Line
		if err := visit(at.Value, at, value); err != nil {
			return err
		}
	}
	return nil
}

func choice(node *yaml.Node, path string, choices ...string) (string, error) {
	for _, c := range choices {
		if node.Kind == yaml.ScalarNode && node.Value == c {
			return c, nil
		}
	}
	return "", lineError(node, path, "want "+strings.Join(choices, " or "))
}

func positive(node *yaml.Node, path string) (int64, error) {
	n, err := strconv.ParseInt(node.Value, 10, 64)
	if node.Kind != yaml.ScalarNode || node.Tag != "!!int" || err != nil || n <= 0 {
		return 0, lineError(node, path, "want a whole number above zero; leave the key out for no rule")
	}
	return n, nil
}

func window(node *yaml.Node, path string) (time.Duration, error) {
	d, err := ParseDuration(node.Value)
	if node.Kind != yaml.ScalarNode || err != nil || d <= 0 || d%time.Microsecond != 0 {
		return 0, lineError(node, path, "want a duration such as 10m, 1h or 30d, above zero and in whole microseconds")
	}
	return d, nil
}

func unknownKey(at *yaml.Node, path, choices string) error {
	return lineError(at, path, "unknown key; known are "+choices)
}

func lineError(node *yaml.Node, path, message string) error {
	if node.Kind == yaml.ScalarNode && node.Value != "" {
		message += fmt.Sprintf(", at %q", node.Value)
	}
	if path == "" {
		return fmt.Errorf("%d: %s", max(node.Line, 1), message)
	}
	return fmt.Errorf("%d: %s: %s", max(node.Line, 1), path, message)
}
