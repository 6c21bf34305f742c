package window

import (
	"fmt"
	"strings"
)

// Source: API reference, RotationRulesType, ScheduleExpression.
const (
	longestExpression = 256
	// expressionSymbols are allowed beside letters and digits.
	expressionSymbols = "()#?*-/, "
	expressionExample = "write rate(10 days) or cron(0 2 ? * SUN *)"
)

// split takes rate(...) or cron(...) apart.
func split(expression string) (kind, inside string, err error) {
	wrong := func(rule, remedy string) (string, string, error) {
		return "", "", refuse("expression", expression, rule, remedy)
	}
	if expression == "" {
		return wrong("it is empty", expressionExample)
	}
	if n := len(expression); n > longestExpression {
		return wrong(fmt.Sprintf("it has %d characters, at most %d are allowed", n, longestExpression), "shorten it, with ranges and increments instead of lists")
	}
	for _, r := range expression {
		if !isAlphanumeric(r) && !strings.ContainsRune(expressionSymbols, r) {
			return wrong(fmt.Sprintf("the character %q is not allowed", r), "use letters, digits, spaces and ( ) # ? * - / ,")
		}
	}
	kind, rest, found := strings.Cut(expression, "(")
	inside, closed := strings.CutSuffix(rest, ")")
	if !found || !closed || kind != "rate" && kind != "cron" {
		return wrong("a schedule is rate(Value Unit) or cron(Minutes Hours Day-of-month Month Day-of-week Year)", expressionExample)
	}
	return kind, inside, nil
}

func isAlphanumeric(r rune) bool {
	return '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
}
