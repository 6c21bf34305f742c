package eventbridge

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// transformer makes a target's input of an event (user guide: "Amazon EventBridge
// input transformation"). A variable stands for its JSON value, and within a
// string of the template for its text.
type transformer struct {
	paths    map[string][]string // by variable
	template string
}

var (
	pathPattern     = regexp.MustCompile(`^\$(\.[A-Za-z0-9_-]+)+$`)
	variablePattern = regexp.MustCompile(`<([A-Za-z0-9_-]+)>`)
)

func newTransformer(paths map[string]string, template string) (transformer, error) {
	t := transformer{paths: map[string][]string{}, template: template}
	for name, path := range paths {
		if !pathPattern.MatchString(path) {
			return t, fmt.Errorf("input path %q: the sandbox knows paths like $.detail.secretId only", path)
		}
		t.paths[name] = strings.Split(path, ".")[1:]
	}
	for _, m := range variablePattern.FindAllStringSubmatch(template, -1) {
		if t.paths[m[1]] == nil {
			return t, fmt.Errorf("input template: <%s> has no input path", m[1])
		}
	}
	if _, err := t.fill(func(string) (any, bool) { return "", true }); err != nil {
		return t, err
	}
	return t, nil
}

// apply returns the input, or an error when the event lacks what makes it valid
// JSON; it does not quote the event.
func (t transformer) apply(e Event) (json.RawMessage, error) {
	raw, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	var event any
	if err := decodeExact(raw, &event); err != nil {
		return nil, err
	}
	return t.fill(func(name string) (any, bool) {
		value := event
		for _, key := range t.paths[name] {
			fields, _ := value.(map[string]any)
			var ok bool
			if value, ok = fields[key]; !ok {
				return nil, false
			}
		}
		return value, true
	})
}

// fill replaces the variables. One that the event does not have is replaced by
// nothing.
func (t transformer) fill(value func(name string) (any, bool)) (json.RawMessage, error) {
	var out strings.Builder
	rest, inString := t.template, false
	for rest != "" {
		m := variablePattern.FindStringSubmatchIndex(rest)
		literal := rest
		if m != nil {
			literal = rest[:m[0]]
		}
		out.WriteString(literal)
		inString = inString != (strings.Count(strings.NewReplacer(`\\`, ``, `\"`, ``).Replace(literal), `"`)%2 == 1)
		if m == nil {
			break
		}
		if v, ok := value(rest[m[2]:m[3]]); ok {
			text, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			if inString {
				text = asText(text)
			}
			out.Write(text)
		}
		rest = rest[m[1]:]
	}
	if input := json.RawMessage(out.String()); json.Valid(input) {
		return input, nil
	}
	return nil, fmt.Errorf("the input template does not make valid JSON of the event")
}

// asText is what stands for a JSON value within a string.
func asText(value []byte) []byte {
	if value[0] == '"' {
		return value[1 : len(value)-1]
	}
	quoted, _ := json.Marshal(string(value)) // a string: cannot fail
	return quoted[1 : len(quoted)-1]
}
