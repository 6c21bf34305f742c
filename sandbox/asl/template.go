package asl

import (
	"fmt"
	"slices"
	"strings"
)

// template is a compiled payload template (ASL: "Payload Template"): a JSON
// value in which members named "x.$" hold expressions.
type template interface {
	fill(sc scope) (any, *Failure)
}

type constant struct{ value any }

func (c constant) fill(scope) (any, *Failure) { return c.value, nil }

type templateList []template

func (l templateList) fill(sc scope) (any, *Failure) {
	list := make([]any, len(l))
	for i, item := range l {
		v, f := item.fill(sc)
		if f != nil {
			return nil, f
		}
		list[i] = v
	}
	return list, nil
}

type templateObject []templateMember

type templateMember struct {
	name  string
	value template
}

func (o templateObject) fill(sc scope) (any, *Failure) {
	filled := newObject()
	for _, m := range o {
		v, f := m.value.fill(sc)
		if f != nil {
			return nil, f
		}
		filled.set(m.name, v)
	}
	return filled, nil
}

type dynamic struct {
	field string
	expr  expr
}

func (d dynamic) fill(sc scope) (any, *Failure) {
	v, err := d.expr.eval(sc)
	if err != nil {
		return nil, runtimef("The value of the field '%s' could not be made: %s", d.field, err)
	}
	return v, nil
}

// compileTemplate reports what is wrong through problem and still returns a
// template.
func compileTemplate(v any, at string, problem func(field string, value any, text, remedy string)) template {
	switch v := v.(type) {
	case []any:
		list := make(templateList, len(v))
		for i, item := range v {
			list[i] = compileTemplate(item, fmt.Sprintf("%s[%d]", at, i), problem)
		}
		return list
	case *object:
		o := make(templateObject, 0, len(v.keys))
		for _, key := range v.keys {
			field, item := at+"."+key, v.vals[key]
			name, isExpr := strings.CutSuffix(key, ".$")
			if !isExpr {
				o = append(o, templateMember{key, compileTemplate(item, field, problem)})
				continue
			}
			if _, both := v.get(name); both {
				problem(field, item, fmt.Sprintf("%q is there as well", name), "keep one of the two")
			}
			text, ok := item.(string)
			if !ok {
				problem(field, item, "is not a string", `give a path or an intrinsic function, or take ".$" off the name`)
				continue
			}
			e, err := parseExpr(text)
			if err != nil {
				problem(field, item, err.Error(), `correct it, or take ".$" off the name if it is meant literally`)
				continue
			}
			o = append(o, templateMember{name, dynamic{key, e}})
		}
		return o
	default:
		return constant{v}
	}
}

// usesMap reports whether a template or an expression looks at $$.Map.
func usesMap(v any) bool {
	switch v := v.(type) {
	case templateList:
		return slices.ContainsFunc(v, func(t template) bool { return usesMap(t) })
	case templateObject:
		return slices.ContainsFunc(v, func(m templateMember) bool { return usesMap(m.value) })
	case dynamic:
		return usesMap(v.expr)
	case *call:
		return slices.ContainsFunc(v.args, func(e expr) bool { return usesMap(e) })
	case *path:
		return v.ofMap()
	}
	return false
}
