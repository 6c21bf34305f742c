package asl

import (
	"encoding/json"
	"fmt"
	"strings"
)

// scope is what an expression can see.
type scope struct {
	input   any // the state's effective input ($), or a task's result
	context any // the context object ($$)
}

// expr is a compiled path, literal or intrinsic function.
type expr interface {
	eval(sc scope) (any, error)
}

func (p *path) eval(sc scope) (any, error) {
	v, ok := p.lookup(sc)
	switch {
	case ok:
		return v, nil
	case p.context:
		return nil, fmt.Errorf("the JSONPath '%s' could not be found in the context object", p.text)
	default:
		return nil, fmt.Errorf("the JSONPath '%s' could not be found in the input '%s'", p.text, excerpt(sc.input))
	}
}

type literal struct{ value any }

func (l literal) eval(scope) (any, error) { return l.value, nil }

// call is an intrinsic function with its arguments.
type call struct {
	name string
	fn   function
	args []expr
}

func (c *call) eval(sc scope) (any, error) {
	args := make([]any, len(c.args))
	for i, arg := range c.args {
		v, err := arg.eval(sc)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	v, err := c.fn.run(args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	return v, nil
}

// maxCallDepth is the nesting that AWS allows ("Intrinsic functions for JSONPath
// states": up to 10 nested functions).
const maxCallDepth = 10

// parseExpr reads the value of a field whose name ends in ".$", of an ErrorPath
// or of a CausePath: a path or an intrinsic function.
func parseExpr(text string) (expr, error) {
	if strings.HasPrefix(text, "$") {
		p, err := parsePath(text)
		if err != nil {
			return nil, err
		}
		return p, p.checkContext()
	}
	if !strings.HasPrefix(text, "States.") {
		return nil, fmt.Errorf("it is neither a path nor an intrinsic function (States.Name(...))")
	}
	e, rest, err := scanCall(text, 1)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(rest) != "" {
		return nil, fmt.Errorf("%q follows the intrinsic function", rest)
	}
	return e, nil
}

func scanCall(text string, depth int) (expr, string, error) {
	name, rest, ok := strings.Cut(text, "(")
	if !ok {
		return nil, "", fmt.Errorf("the parenthesis after %q is missing", name)
	}
	fn, ok := functions[name]
	if !ok {
		return nil, "", fmt.Errorf("%q is not an intrinsic function of this interpreter", name)
	}
	if depth > maxCallDepth {
		return nil, "", fmt.Errorf("intrinsic functions are nested more than %d deep", maxCallDepth)
	}
	c := &call{name: name, fn: fn}
	rest = strings.TrimLeft(rest, " ")
	for !strings.HasPrefix(rest, ")") {
		var (
			arg expr
			err error
		)
		if arg, rest, err = scanArgument(rest, depth); err != nil {
			return nil, "", err
		}
		c.args = append(c.args, arg)
		rest = strings.TrimLeft(rest, " ")
		if after, comma := strings.CutPrefix(rest, ","); comma {
			rest = strings.TrimLeft(after, " ")
			if strings.HasPrefix(rest, ")") {
				return nil, "", fmt.Errorf("an argument is missing in %s", name)
			}
		} else if !strings.HasPrefix(rest, ")") {
			return nil, "", fmt.Errorf("the arguments of %s are not closed or not separated by commas", name)
		}
	}
	if n := len(c.args); n < fn.min || fn.max >= 0 && n > fn.max {
		return nil, "", fmt.Errorf("%s takes %s, not %d", name, fn.arity(), n)
	}
	return c, rest[1:], checkLiteral(c)
}

func scanArgument(text string, depth int) (expr, string, error) {
	switch {
	case strings.HasPrefix(text, "$"):
		p, rest, err := scanPath(text)
		if err != nil {
			return nil, "", err
		}
		return p, rest, p.checkContext()
	case strings.HasPrefix(text, "'"):
		return scanText(text[1:])
	case strings.HasPrefix(text, "States."):
		return scanCall(text, depth+1)
	}
	end := strings.IndexAny(text, ",) ")
	if end < 0 {
		end = len(text)
	}
	v, err := parseJSON([]byte(text[:end]), nil)
	if err != nil {
		return nil, "", fmt.Errorf("the argument %q is not a path, a number, a 'string', true, false, null or an intrinsic function", text[:end])
	}
	switch v.(type) {
	case nil, bool, json.Number:
		return literal{v}, text[end:], nil
	}
	return nil, "", fmt.Errorf("the argument %q must be quoted with apostrophes", text[:end])
}

// scanText reads a string up to its closing apostrophe. A backslash may stand
// only before an apostrophe, a brace or a backslash (ASL: "Intrinsic
// Functions"). Escaped braces are kept for States.Format, see format.
func scanText(text string) (expr, string, error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\'':
			return textLiteral(b.String()), text[i+1:], nil
		case c < 0x20:
			// Other interpreters do not accept these at all.
			return nil, "", fmt.Errorf("a string holds a control character; a line break cannot be written in an intrinsic function")
		case c == '\\':
			i++
			if i == len(text) || !strings.ContainsRune(`'\{}`, rune(text[i])) {
				return nil, "", fmt.Errorf("a backslash in a string must be followed by ', \\, { or }")
			}
			if text[i] != '\'' {
				b.WriteByte('\\')
			}
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return nil, "", fmt.Errorf("a string is not closed with an apostrophe")
}

// textLiteral is a quoted string in which backslashes before braces and
// backslashes are still there.
type textLiteral string

func (t textLiteral) eval(scope) (any, error) { return unescape(string(t)), nil }

var unescaper = strings.NewReplacer(`\\`, `\`, `\{`, `{`, `\}`, `}`)

func unescape(s string) string { return unescaper.Replace(s) }

// checkLiteral refuses what can be seen to fail without running it.
func checkLiteral(c *call) error {
	if c.name != "States.Format" {
		return nil
	}
	template, ok := c.args[0].(textLiteral)
	if !ok {
		return nil
	}
	parts, err := splitTemplate(string(template))
	if err != nil {
		return err
	}
	if holes := len(parts) - 1; holes != len(c.args)-1 {
		return fmt.Errorf("States.Format has %d places {} but %d values", holes, len(c.args)-1)
	}
	// The escapes matter to Format only, so it gets the template unread.
	c.args[0] = literal{string(template)}
	return nil
}
