package eventbridge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Pattern is an event pattern of exact values (user guide: "Event patterns"). It
// has no content filters such as prefix or anything-but: the known library for
// them is more than the sandbox needs, and a filter that was half understood
// would be worse than one that is refused.
type Pattern struct{ root map[string]any } // map[string]any or []any of literals

// ParsePattern reads a pattern and refuses what it does not know.
func ParsePattern(text string) (Pattern, error) {
	var root map[string]any
	if err := decodeExact([]byte(text), &root); err != nil || len(root) == 0 {
		return Pattern{}, fmt.Errorf("event pattern: not a JSON object with at least one field")
	}
	if err := checkPattern("", root); err != nil {
		return Pattern{}, err
	}
	return Pattern{root}, nil
}

func checkPattern(path string, node map[string]any) error {
	for key, value := range node {
		at := path + "." + key
		switch v := value.(type) {
		case map[string]any:
			if len(v) == 0 {
				return fmt.Errorf("event pattern: %s is empty", at[1:])
			}
			if err := checkPattern(at, v); err != nil {
				return err
			}
		case []any:
			if len(v) == 0 {
				return fmt.Errorf("event pattern: %s is empty", at[1:])
			}
			for _, literal := range v {
				switch literal.(type) {
				case map[string]any, []any:
					return fmt.Errorf("event pattern: %s has a content filter; the sandbox knows exact values only", at[1:])
				}
			}
		default:
			return fmt.Errorf("event pattern: %s must be an object or an array", at[1:])
		}
	}
	return nil
}

// Matches reports whether the event has one of the values for every field.
func (p Pattern) Matches(e Event) bool {
	raw, err := json.Marshal(e)
	if err != nil {
		return false
	}
	var event map[string]any
	return decodeExact(raw, &event) == nil && matches(p.root, event)
}

func matches(pattern map[string]any, event any) bool {
	fields, ok := event.(map[string]any)
	if !ok {
		return false
	}
	for key, want := range pattern {
		got, present := fields[key]
		if !present {
			return false
		}
		if nested, ok := want.(map[string]any); ok {
			if !matches(nested, got) {
				return false
			}
			continue
		}
		// Of an array in the event one element has to match.
		values, isArray := got.([]any)
		if !isArray {
			values = []any{got}
		}
		if !slices.ContainsFunc(values, func(value any) bool { return equal(value, want.([]any)) }) {
			return false
		}
	}
	return true
}

func equal(value any, literals []any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return false
	}
	return slices.Contains(literals, value)
}

// decodeExact keeps numbers as they are written, which is how EventBridge
// compares them: 300 and 300.0 differ.
func decodeExact(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(into)
}
