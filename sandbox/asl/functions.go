package asl

import (
	"crypto/md5"  //nolint:gosec // States.Hash offers it
	"crypto/rand" // States.UUID
	"crypto/sha1" //nolint:gosec // States.Hash offers it
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// function is an intrinsic function; max < 0 means any number of arguments.
type function struct {
	min, max int
	run      func(args []any) (any, error)
}

func (f function) arity() string {
	switch {
	case f.max < 0:
		return fmt.Sprintf("at least %d arguments", f.min)
	case f.max == 1:
		return "1 argument"
	default:
		return fmt.Sprintf("%d arguments", f.max)
	}
}

// functions is the table of intrinsic functions (AWS: "Intrinsic functions for
// JSONPath states in Step Functions").
var functions = map[string]function{
	"States.Format":        {1, -1, format},
	"States.StringToJson":  {1, 1, stringToJSON},
	"States.JsonToString":  {1, 1, jsonToString},
	"States.Array":         {0, -1, func(args []any) (any, error) { return args, nil }},
	"States.ArrayContains": {2, 2, arrayContains},
	"States.ArrayLength":   {1, 1, arrayLength},
	"States.ArrayGetItem":  {2, 2, arrayGetItem},
	"States.MathAdd":       {2, 2, mathAdd},
	"States.JsonMerge":     {3, 3, jsonMerge},
	"States.Hash":          {2, 2, hash},
	"States.UUID":          {0, 0, uuid},
	"States.StringSplit":   {2, 2, stringSplit},
}

// returnsText are the functions that ErrorPath and CausePath may use (ASL:
// "Fail State": those whose result is a string).
var returnsText = map[string]bool{
	"States.Format": true, "States.JsonToString": true, "States.ArrayGetItem": true,
	"States.Hash": true, "States.UUID": true,
}

func textArg(args []any, i int) (string, error) {
	s, ok := args[i].(string)
	if !ok {
		return "", fmt.Errorf("argument %d must be a string, not %s", i+1, kindOf(args[i]))
	}
	return s, nil
}

func arrayArg(args []any, i int) ([]any, error) {
	list, ok := args[i].([]any)
	if !ok {
		return nil, fmt.Errorf("argument %d must be an array, not %s", i+1, kindOf(args[i]))
	}
	return list, nil
}

// splitTemplate cuts a template at its places {}; the parts are unescaped.
func splitTemplate(s string) ([]string, error) {
	parts := []string{""}
	last := func() *string { return &parts[len(parts)-1] }
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && strings.ContainsRune(`\{}'`, rune(s[i+1])):
			i++
			*last() += string(s[i])
		case strings.HasPrefix(s[i:], "{}"):
			i++
			parts = append(parts, "")
		case s[i] == '{' || s[i] == '}':
			return nil, fmt.Errorf(`a brace that is not part of {} must be written \{ or \}`)
		default:
			parts[len(parts)-1] += s[i : i+1]
		}
	}
	return parts, nil
}

// format fills a template, in which a backslash escapes a brace.
func format(args []any) (any, error) {
	template, err := textArg(args, 0)
	if err != nil {
		return nil, err
	}
	parts, err := splitTemplate(template)
	if err != nil {
		return nil, err
	}
	if len(parts)-1 != len(args)-1 {
		return nil, fmt.Errorf("%d places {} but %d values", len(parts)-1, len(args)-1)
	}
	var b strings.Builder
	for i, part := range parts {
		if i > 0 {
			switch v := args[i].(type) {
			case string:
				b.WriteString(v)
			case *object, []any:
				// Interpreters render these differently.
				return nil, fmt.Errorf("value %d is %s; wrap it in States.JsonToString", i, kindOf(v))
			default:
				b.Write(encode(v))
			}
		}
		b.WriteString(part)
	}
	return b.String(), nil
}

func stringToJSON(args []any) (any, error) {
	s, err := textArg(args, 0)
	if err != nil {
		return nil, err
	}
	v, err := parseJSON([]byte(s), nil)
	if err != nil {
		return nil, fmt.Errorf("the string is not JSON: %w", err)
	}
	return v, nil
}

func jsonToString(args []any) (any, error) { return string(encode(args[0])), nil }

func arrayContains(args []any) (any, error) {
	list, err := arrayArg(args, 0)
	if err != nil {
		return nil, err
	}
	for _, item := range list {
		if equal(item, args[1]) {
			return true, nil
		}
	}
	return false, nil
}

func arrayLength(args []any) (any, error) {
	list, err := arrayArg(args, 0)
	return json.Number(strconv.Itoa(len(list))), err
}

func arrayGetItem(args []any) (any, error) {
	list, err := arrayArg(args, 0)
	if err != nil {
		return nil, err
	}
	i, ok := integer(args[1])
	if !ok || i < 0 || i >= int64(len(list)) {
		return nil, fmt.Errorf("%s is not an index of an array of %d", excerpt(args[1]), len(list))
	}
	return list[i], nil
}

// mathAdd adds 32-bit integers; others are rounded first, as AWS does.
func mathAdd(args []any) (any, error) {
	sum := int64(0)
	for i, arg := range args {
		n, ok := arg.(json.Number)
		if !ok {
			return nil, fmt.Errorf("argument %d must be a number, not %s", i+1, kindOf(arg))
		}
		f, err := n.Float64()
		if f = math.Round(f); err != nil || f < math.MinInt32 || f > math.MaxInt32 {
			return nil, fmt.Errorf("%s is out of the range of a 32-bit integer", n)
		}
		sum += int64(f)
	}
	if sum < math.MinInt32 || sum > math.MaxInt32 {
		return nil, fmt.Errorf("the sum %d is out of the range of a 32-bit integer", sum)
	}
	return json.Number(strconv.FormatInt(sum, 10)), nil
}

func jsonMerge(args []any) (any, error) {
	a, aok := args[0].(*object)
	b, bok := args[1].(*object)
	if !aok || !bok {
		return nil, fmt.Errorf("arguments 1 and 2 must be objects, not %s and %s", kindOf(args[0]), kindOf(args[1]))
	}
	if args[2] != false {
		return nil, fmt.Errorf("argument 3 must be false: Step Functions merges only one level")
	}
	merged := newObject()
	for _, o := range []*object{a, b} {
		for _, key := range o.keys {
			merged.set(key, o.vals[key])
		}
	}
	return merged, nil
}

// maxHashInput is AWS's limit on the data to hash, in characters.
const maxHashInput = 10_000

func hash(args []any) (any, error) {
	data, ok := args[0].(string)
	if !ok {
		data = string(encode(args[0]))
	}
	if utf8.RuneCountInString(data) > maxHashInput {
		return nil, fmt.Errorf("more than %d characters to hash", maxHashInput)
	}
	algorithm, err := textArg(args, 1)
	if err != nil {
		return nil, err
	}
	var sum []byte
	switch algorithm {
	case "MD5":
		s := md5.Sum([]byte(data)) //nolint:gosec // as asked
		sum = s[:]
	case "SHA-1":
		s := sha1.Sum([]byte(data)) //nolint:gosec // as asked
		sum = s[:]
	case "SHA-256":
		s := sha256.Sum256([]byte(data))
		sum = s[:]
	case "SHA-384":
		s := sha512.Sum384([]byte(data))
		sum = s[:]
	case "SHA-512":
		s := sha512.Sum512([]byte(data))
		sum = s[:]
	default:
		return nil, fmt.Errorf("the algorithm must be MD5, SHA-1, SHA-256, SHA-384 or SHA-512")
	}
	return hex.EncodeToString(sum), nil
}

func uuid([]any) (any, error) {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

// stringSplit cuts at any of the splitter's characters and drops empty parts.
func stringSplit(args []any) (any, error) {
	s, err := textArg(args, 0)
	if err != nil {
		return nil, err
	}
	splitter, err := textArg(args, 1)
	if err != nil {
		return nil, err
	}
	parts := []any{}
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return strings.ContainsRune(splitter, r) }) {
		parts = append(parts, part)
	}
	return parts, nil
}
