package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

type position struct{ line, column int }

// decoder fills structs from YAML. The library's own decoder stops at the first mistake,
// converts numbers to text and does not keep positions. This one walks the syntax tree by
// the structs' yaml tags.
type decoder struct {
	file     string
	at       map[string]position // field -> position of its value
	from     map[string]string   // field -> the field of the defaults with its value
	anchors  map[string]ast.Node
	problems Problems
}

func (d *decoder) problem(field, what, remedy string) {
	pos := d.at[field]
	if own, ok := d.from[field]; ok {
		field = own
	}
	d.problems = append(d.problems, Problem{
		File: d.file, Line: pos.line, Column: pos.column, Field: field, What: what, Remedy: remedy,
	})
}

// document decodes the file's only document into dst, a pointer to a struct.
func (d *decoder) document(src []byte, dst any) {
	file, err := parser.ParseBytes(src, 0)
	if err != nil {
		d.syntax(err)
		return
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if body != nil {
			d.mark("", doc.Body)
			d.problem("", "a second YAML document begins here", "keep one document per file, without ---")
			return
		}
		body = doc.Body
	}
	if body == nil {
		d.problem("", "the file is empty", exampleRemedy)
		return
	}
	d.anchors = map[string]ast.Node{}
	ast.Walk(anchorFinder(d.anchors), body)
	d.value(body, reflect.ValueOf(dst).Elem(), "")
}

const exampleRemedy = `write at least "rotations:" and under it "  - secret: NAME" (rotations.example.yaml shows every field)`

func (d *decoder) syntax(err error) {
	what, tok := err.Error(), (*token.Token)(nil)
	if e := yaml.Error(nil); errors.As(err, &e) {
		what, tok = e.GetMessage(), e.GetToken()
	}
	if tok != nil && tok.Position != nil {
		d.at[""] = position{tok.Position.Line, tok.Position.Column}
	}
	remedy := "correct the YAML here; indentation is by spaces, and text with a colon or # needs quotes"
	if strings.Contains(what, "already defined") {
		remedy = "give each field once"
	}
	d.problem("", "this is not valid YAML: "+what, remedy)
}

type anchorFinder map[string]ast.Node

func (f anchorFinder) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok {
		f[a.Name.GetToken().Value] = a.Value
	}
	return f
}

func (d *decoder) mark(field string, n ast.Node) {
	tok := n.GetToken()
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		tok = m.Values[0].Key.GetToken() // a block mapping's own token is its first colon
	}
	d.at[field] = position{tok.Position.Line, tok.Position.Column}
}

func (d *decoder) value(n ast.Node, dst reflect.Value, field string) {
	d.mark(field, n)
	switch v := n.(type) {
	case *ast.AnchorNode:
		d.value(v.Value, dst, field)
		return
	case *ast.AliasNode:
		name := v.Value.GetToken().Value
		if target, ok := d.anchors[name]; ok {
			d.value(target, dst, field)
			d.mark(field, n)
			return
		}
		d.problem(field, fmt.Sprintf("*%s refers to nothing", name), fmt.Sprintf("mark the value it stands for with &%s", name))
		return
	case *ast.NullNode:
		d.problem(field, "has no value", "give it one, or remove the line")
		return
	}
	switch dst.Kind() {
	case reflect.Pointer:
		dst.Set(reflect.New(dst.Type().Elem()))
		d.value(n, dst.Elem(), field)
	case reflect.Struct:
		if n.Type() == ast.StringType && dst.Type() == reflect.TypeFor[Network]() {
			dst.FieldByName("Name").SetString(n.GetToken().Value) // a network by its name
			return
		}
		d.mapping(n, dst, field)
	case reflect.Map:
		d.entries(n, dst, field)
	case reflect.Slice:
		d.sequence(n, dst, field)
	default:
		d.scalar(n, dst, field)
	}
}

func (d *decoder) scalar(n ast.Node, dst reflect.Value, field string) {
	switch v := n.(type) {
	case *ast.StringNode:
		if dst.Kind() == reflect.String {
			dst.SetString(v.Value)
			return
		}
	case *ast.LiteralNode:
		if dst.Kind() == reflect.String {
			dst.SetString(strings.TrimSpace(v.Value.Value))
			return
		}
	case *ast.BoolNode:
		if dst.Kind() == reflect.Bool {
			dst.SetBool(v.Value)
			return
		}
	case *ast.IntegerNode:
		if u, ok := v.Value.(uint64); ok && dst.Kind() == reflect.Int && u < 1<<31 {
			dst.SetInt(int64(u))
			return
		}
	}
	remedy := "write one text, in quotes if it looks like a number"
	switch dst.Kind() {
	case reflect.Bool:
		remedy = "write true or false, without quotes"
	case reflect.Int:
		remedy = "write a positive whole number, without quotes"
	}
	d.problem(field, describe(n), remedy)
}

func (d *decoder) sequence(n ast.Node, dst reflect.Value, field string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.problem(field, describe(n)+" but must be a list", `begin each item with "- " on its own line`)
		return
	}
	dst.Set(reflect.MakeSlice(dst.Type(), len(seq.Values), len(seq.Values)))
	for i, item := range seq.Values {
		d.value(item, dst.Index(i), fmt.Sprintf("%s[%d]", field, i))
	}
}

func (d *decoder) mapping(n ast.Node, dst reflect.Value, field string) {
	entries, ok := d.block(n, field)
	if !ok {
		d.problem(field, describe(n)+" but must be a block of fields", "write its fields as "+strings.Join(fieldNames(dst.Type()), ", "))
		return
	}
	for _, e := range entries {
		name := e.Key.GetToken().Value
		path := strings.TrimPrefix(field+"."+name, ".")
		if i := fieldIndex(dst.Type(), name); i >= 0 {
			d.value(e.Value, dst.Field(i), path)
			continue
		}
		d.mark(path, e.Key)
		d.problem(path, noSuchField, suggest(name, fieldNames(dst.Type())))
	}
}

// entries decodes a block whose keys the user chooses.
func (d *decoder) entries(n ast.Node, dst reflect.Value, field string) {
	entries, ok := d.block(n, field)
	if !ok {
		d.problem(field, describe(n)+" but must be a block", "write NAME: VALUE, each on its own line")
		return
	}
	dst.Set(reflect.MakeMap(dst.Type()))
	for _, e := range entries {
		name := e.Key.GetToken().Value
		value := reflect.New(dst.Type().Elem()).Elem()
		d.value(e.Value, value, field+"."+name)
		dst.SetMapIndex(reflect.ValueOf(name), value)
	}
}

func (d *decoder) block(n ast.Node, field string) ([]*ast.MappingValueNode, bool) {
	switch v := n.(type) {
	case *ast.MappingNode:
		return v.Values, true
	case *ast.MappingValueNode:
		d.mark(field, v.Key)
		return []*ast.MappingValueNode{v}, true
	}
	return nil, false
}

const noSuchField = "there is no such field"

// onlyUnknown reports whether all problems are unknown fields. Then the other fields can
// still be checked.
func (p Problems) onlyUnknown() bool {
	return !slices.ContainsFunc(p, func(one Problem) bool { return one.What != noSuchField })
}

// without leaves out problems that an unknown field may cause: that another field of the
// same block is missing.
func (p Problems) without(unknown Problems, given func(string) bool) (rest Problems) {
	block := func(field string) string { return field[:max(0, strings.LastIndexByte(field, '.'))] }
	for _, one := range p {
		follows := one.What != noSuchField && slices.ContainsFunc(unknown, func(u Problem) bool {
			return block(u.Field) == block(one.Field) && !given(one.Field) ||
				block(u.Field) == one.Field && strings.Contains(one.What, "missing")
		})
		if !follows {
			rest = append(rest, one)
		}
	}
	return rest
}

// describe names the kind of a value, and quotes it if it is short.
func describe(n ast.Node) string {
	switch v := n.(type) {
	case *ast.SequenceNode:
		return "is a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "is a block of fields"
	case *ast.StringNode:
		return fmt.Sprintf("is the text %q", v.Value)
	default:
		return "is " + n.GetToken().Value
	}
}

// fieldNames lists the names of the struct's fields in the file, in the struct's order,
// without those that a file cannot set.
func fieldNames(t reflect.Type) []string {
	var names []string
	for f := range t.Fields() {
		if name := f.Tag.Get("yaml"); name != "-" {
			names = append(names, name)
		}
	}
	return names
}

func fieldIndex(t reflect.Type, name string) int {
	for i := range t.NumField() {
		if tag := t.Field(i).Tag.Get("yaml"); tag == name && tag != "-" {
			return i
		}
	}
	return -1
}
