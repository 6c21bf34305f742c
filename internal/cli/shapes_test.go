package cli

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/cli/report"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/watch/audit"
)

// shapes are what commands write with --json.
var shapes = map[string]any{
	"cancel": cancelled{}, "events": happened{}, "explain": explained{}, "explain, without an argument": []string{}, "history": []past{}, "init": written{}, "list": []entry{}, "pause": switched{}, "preflight": rotation.PreflightResult{},
	"preflight --all": []rotation.PreflightResult{}, "report": report.Report{}, "rotate": past{}, "rotate, of many": rotatedMany{}, "schedule": timetable{}, "sandbox": sandboxReady{}, "sandbox, an alert": sandboxAlert{}, "status": []audit.Status{}, "status SECRET": description{}, "unpause": switched{}, "validate": validation{}, "version": built{}, "watch": past{},
}

// documented writes them in the reference.
func documented() string {
	var b strings.Builder
	b.WriteString("\n## JSON\n\nWhat `--json` writes. A key with a question mark may be missing, a time is RFC 3339 in UTC. Keys may be\n" +
		"added; none is taken away or changes its meaning. The exit code is the same as without it, and errors\ngo to standard error as text.\n\n```text\n")
	var names []string
	for name := range shapes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s\n%s\n\n", name, shape(reflect.TypeOf(shapes[name]), "  "))
	}
	return strings.TrimRight(b.String(), "\n") + "\n```\n"
}

func shape(t reflect.Type, indent string) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return indent + "time"
	case t.Kind() == reflect.Pointer:
		return shape(t.Elem(), indent)
	case t.Kind() == reflect.Slice:
		return indent + "list of " + strings.TrimLeft(shape(t.Elem(), indent), " ")
	case t.Kind() == reflect.Map:
		return indent + "object of " + kindOf(t.Elem()) + "s"
	case t.Kind() != reflect.Struct || t.NumField() == 0:
		return indent + kindOf(t)
	}
	return indent + "{\n" + fields(t, indent+"  ") + indent + "}"
}

func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		return "number"
	}
	return "string"
}

func fields(t reflect.Type, indent string) string {
	var b strings.Builder
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, tagged := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			b.WriteString(fields(f.Type, indent))
			continue
		}
		if !f.IsExported() || name == "-" || !tagged && name == "" {
			continue
		}
		mark := ""
		if strings.Contains(options, "omit") {
			mark = "?"
		}
		fmt.Fprintf(&b, "%s%s%s: %s\n", indent, name, mark, strings.TrimLeft(shape(f.Type, indent), " "))
	}
	return b.String()
}
