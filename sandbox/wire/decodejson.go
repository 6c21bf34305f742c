package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// decodeJSON fills the struct that in points to. encoding/json alone would
// match names regardless of case, which AWS does not.
func decodeJSON(body []byte, in any) *Error {
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	if !json.Valid(body) {
		return Errorf("SerializationException", "The request body is not valid JSON.")
	}
	if err := decodeValue(body, reflect.ValueOf(in).Elem(), ""); err != nil {
		return err
	}
	return nil
}

// decodeValue puts the JSON value raw into v. The error names the path and the
// types, never the value.
func decodeValue(raw json.RawMessage, v reflect.Value, path string) *Error {
	if isNull(raw) {
		return nil
	}
	if v.Kind() == reflect.Pointer {
		p := reflect.New(v.Type().Elem())
		if err := decodeValue(raw, p.Elem(), path); err != nil {
			return err
		}
		v.Set(p)
		return nil
	}
	if _, own := v.Addr().Interface().(json.Unmarshaler); own {
		return unmarshal(raw, v, path)
	}
	switch {
	case v.Kind() == reflect.Struct:
		return decodeStruct(raw, v, path)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
		return decodeSlice(raw, v, path)
	case v.Kind() == reflect.Map:
		return decodeMap(raw, v, path)
	default:
		return unmarshal(raw, v, path)
	}
}

func decodeStruct(raw json.RawMessage, v reflect.Value, path string) *Error {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return typeError(raw, v, path)
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		// Before the next test: the exported fields of an embedded struct count
		// even when its type is not exported.
		if field.Anonymous && field.Type.Kind() == reflect.Struct {
			if err := decodeStruct(raw, v.Field(i), path); err != nil {
				return err
			}
			continue
		}
		if !field.IsExported() {
			continue
		}
		name := memberName(field, "json")
		member, ok := members[name]
		if !ok {
			continue
		}
		if err := decodeValue(member, v.Field(i), join(path, name)); err != nil {
			return err
		}
	}
	return nil
}

func decodeSlice(raw json.RawMessage, v reflect.Value, path string) *Error {
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		return typeError(raw, v, path)
	}
	// Not nil even when empty: an empty list and an absent one differ.
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		if err := decodeValue(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	return nil
}

func decodeMap(raw json.RawMessage, v reflect.Value, path string) *Error {
	var items map[string]json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		return typeError(raw, v, path)
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(items)))
	for key, item := range items {
		value := reflect.New(v.Type().Elem()).Elem()
		if err := decodeValue(item, value, path+"{}"); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), value)
	}
	return nil
}

func unmarshal(raw json.RawMessage, v reflect.Value, path string) *Error {
	if json.Unmarshal(raw, v.Addr().Interface()) != nil {
		return typeError(raw, v, path)
	}
	return nil
}

func typeError(raw json.RawMessage, v reflect.Value, path string) *Error {
	if path == "" {
		path = "the request body"
	}
	return Errorf("SerializationException", "%s: %s cannot be converted to %s", path, jsonKind(raw), awsKind(v.Type()))
}

func isNull(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }

// jsonKind names the kind of a JSON value as AWS's parser does.
func jsonKind(raw json.RawMessage) string {
	switch c := bytes.TrimSpace(raw)[0]; c {
	case '{':
		return "START_OBJECT"
	case '[':
		return "START_ARRAY"
	case '"':
		return "STRING_VALUE"
	case 't':
		return "TRUE_VALUE"
	case 'f':
		return "FALSE_VALUE"
	default:
		return "NUMBER_VALUE"
	}
}

func awsKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "String"
	case reflect.Bool:
		return "Boolean"
	case reflect.Struct:
		if t == reflect.TypeFor[Time]() {
			return "Timestamp"
		}
		return "Structure"
	case reflect.Map:
		return "Map"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "Blob"
		}
		return "List"
	default:
		return "Number"
	}
}

// memberName is the field's tag or, without one, its Go name.
func memberName(field reflect.StructField, tag string) string {
	name, _, _ := strings.Cut(field.Tag.Get(tag), ",")
	if name == "" {
		return field.Name
	}
	return name
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
