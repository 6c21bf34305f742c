package asl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// A value is one of nil, bool, json.Number, string, []any and *object. Values
// are never changed once made, so that states can share them.

// object is a JSON object that keeps the order of its members, as Step
// Functions does, so that States.JsonToString reads the same here and there.
type object struct {
	keys []string
	vals map[string]any
}

func newObject() *object { return &object{vals: map[string]any{}} }

func (o *object) get(key string) (any, bool) {
	v, ok := o.vals[key]
	return v, ok
}

// set is for building only; see with.
func (o *object) set(key string, v any) {
	if _, ok := o.vals[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.vals[key] = v
}

// with returns a copy in which key is v.
func (o *object) with(key string, v any) *object {
	c := &object{keys: slices.Clone(o.keys), vals: make(map[string]any, len(o.vals)+1)}
	for k, old := range o.vals {
		c.vals[k] = old
	}
	c.set(key, v)
	return c
}

// maxDepth bounds the nesting of JSON; encoding/json allows 10,000 levels.
const maxDepth = 500

// parseJSON reads one JSON value. Numbers keep their form. onDuplicate, if not
// nil, is told the path of each member that its object already has; the last
// one wins.
func parseJSON(data []byte, onDuplicate func(path string)) (any, error) {
	var raw json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, err // says what is wrong where; the decoder below would not
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return parseValue(dec, "$", 0, onDuplicate)
}

func parseValue(dec *json.Decoder, path string, depth int, onDuplicate func(string)) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("more than %d levels of nesting", maxDepth)
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return tok, nil
	}
	if delim == '[' {
		list := []any{}
		for dec.More() {
			v, err := parseValue(dec, fmt.Sprintf("%s[%d]", path, len(list)), depth+1, onDuplicate)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = dec.Token()
		return list, err
	}
	o := newObject()
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, _ := tok.(string)
		at := path + "." + key
		if _, dup := o.get(key); dup && onDuplicate != nil {
			onDuplicate(at)
		}
		v, err := parseValue(dec, at, depth+1, onDuplicate)
		if err != nil {
			return nil, err
		}
		o.set(key, v)
	}
	_, err = dec.Token()
	return o, err
}

// encode renders a value without insignificant space, as Step Functions does.
func encode(v any) json.RawMessage {
	var b bytes.Buffer
	writeValue(&b, v)
	return b.Bytes()
}

func writeValue(b *bytes.Buffer, v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		fmt.Fprint(b, v)
	case json.Number:
		b.WriteString(v.String())
	case string:
		writeString(b, v)
	case []any:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			writeValue(b, item)
		}
		b.WriteByte(']')
	case *object:
		b.WriteByte('{')
		for i, key := range v.keys {
			if i > 0 {
				b.WriteByte(',')
			}
			writeString(b, key)
			b.WriteByte(':')
			writeValue(b, v.vals[key])
		}
		b.WriteByte('}')
	default:
		panic(fmt.Sprintf("asl: %T is not a JSON value", v))
	}
}

func writeString(b *bytes.Buffer, s string) {
	if plain(s) { // nearly all are
		b.WriteByte('"')
		b.WriteString(s)
		b.WriteByte('"')
		return
	}
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s)       // a string into a buffer cannot fail
	b.Truncate(b.Len() - 1) // Encode ends the line
}

// plain reports whether a string is its own JSON.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// equal is JSON equality; numbers are equal when their values are.
func equal(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		bn, ok := b.(json.Number)
		if !ok {
			return false
		}
		af, aerr := a.Float64()
		bf, berr := bn.Float64()
		return a == bn || aerr == nil && berr == nil && af == bf
	case []any:
		bl, ok := b.([]any)
		return ok && slices.EqualFunc(a, bl, equal)
	case *object:
		bo, ok := b.(*object)
		if !ok || len(a.keys) != len(bo.keys) {
			return false
		}
		for _, key := range a.keys {
			bv, ok := bo.get(key)
			if !ok || !equal(a.vals[key], bv) {
				return false
			}
		}
		return true
	default:
		return a == b
	}
}

// kindOf names a value's type for messages.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "an array"
	default:
		return "an object"
	}
}

// excerpt is a value for a message, not too long.
func excerpt(v any) string {
	const most = 120
	s := string(encode(v))
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// integer is v as a whole number, or false.
func integer(v any) (int64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	i, err := n.Int64()
	return i, err == nil
}
