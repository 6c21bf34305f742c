package wire

import (
	"encoding/base64"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// node is the form as the tree that its dotted names spell.
type node struct {
	value    string
	children map[string]*node
}

// maxDepth ends the tree early, so that a name of many dots costs nothing.
const maxDepth = 16

func parseForm(form url.Values) *node {
	root := &node{}
	for name, values := range form {
		n := root
		parts := strings.Split(name, ".")
		if len(parts) > maxDepth || len(values) == 0 {
			continue
		}
		for _, part := range parts {
			if n.children == nil {
				n.children = map[string]*node{}
			}
			child, ok := n.children[part]
			if !ok {
				child = &node{}
				n.children[part] = child
			}
			n = child
		}
		n.value = values[0]
	}
	return root
}

// items are the children "member.N" or "entry.N" in the order of N (Smithy:
// "AWS Query protocol", collections).
func (n *node) items(kind string) []*node {
	list := n.children[kind]
	if list == nil {
		return nil
	}
	var indices []int
	for key := range list.children {
		if i, err := strconv.Atoi(key); err == nil {
			indices = append(indices, i)
		}
	}
	slices.Sort(indices)
	var items []*node
	for _, i := range indices {
		if item, ok := list.children[strconv.Itoa(i)]; ok {
			items = append(items, item)
		}
	}
	return items
}

func decodeQuery(form url.Values, in any) *Error {
	return decodeNode(parseForm(form), reflect.ValueOf(in).Elem(), "")
}

func decodeNode(n *node, v reflect.Value, path string) *Error {
	bad := Errorf("MalformedInput", "%s is not a valid %s", path, awsKind(v.Type()))
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		if err := decodeNode(n, p.Elem(), path); err != nil {
			return err
		}
		v.Set(p)
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if field.Anonymous && field.Type.Kind() == reflect.Struct {
				if err := decodeNode(n, v.Field(i), path); err != nil {
					return err
				}
				continue
			}
			name := memberName(field, "xml")
			child, ok := n.children[name]
			if !ok || !field.IsExported() {
				continue
			}
			if err := decodeNode(child, v.Field(i), join(path, name)); err != nil {
				return err
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			b, err := base64.StdEncoding.DecodeString(n.value)
			if err != nil {
				return bad
			}
			v.SetBytes(b)
			return nil
		}
		items := n.items("member")
		v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
		for i, item := range items {
			if err := decodeNode(item, v.Index(i), path+".member"); err != nil {
				return err
			}
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for _, item := range n.items("entry") {
			key := firstChild(item, "key", "Name")
			child := firstChild(item, "value", "Value")
			if key == nil || child == nil {
				return bad
			}
			value := reflect.New(v.Type().Elem()).Elem()
			if err := decodeNode(child, value, path+".entry"); err != nil {
				return err
			}
			v.SetMapIndex(reflect.ValueOf(key.value).Convert(v.Type().Key()), value)
		}
	case reflect.String:
		v.SetString(n.value)
	case reflect.Bool:
		b, err := strconv.ParseBool(n.value)
		if err != nil {
			return bad
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(n.value, 10, 64)
		if err != nil || v.OverflowInt(i) {
			return bad
		}
		v.SetInt(i)
	default:
		return bad
	}
	return nil
}

// firstChild: the names of a map's key and value differ between services.
func firstChild(n *node, names ...string) *node {
	for _, name := range names {
		if child, ok := n.children[name]; ok {
			return child
		}
	}
	return nil
}
