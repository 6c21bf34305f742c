package asl_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

// evaluate runs an expression in a Pass state.
func evaluate(t *testing.T, expression, input string) asl.Result {
	t.Helper()
	parameters, err := json.Marshal(map[string]string{"v.$": expression})
	if err != nil {
		t.Fatal(err)
	}
	m := load(t, one(`"Type":"Pass","Parameters":`+string(parameters)+`,"OutputPath":"$.v","End":true`))
	return m.Run(t.Context(), asl.Run{Input: json.RawMessage(input), Clock: asl.NewVirtualClock(epoch)})
}

// The examples are those of AWS's page "Intrinsic functions for JSONPath states
// in Step Functions", where it has any.
func TestIntrinsicFunctions(t *testing.T) {
	for _, tc := range []struct{ expression, input, want string }{
		{`States.Format('Hello, my name is {}.', $.name)`, `{"name":"Arnav"}`, `"Hello, my name is Arnav."`},
		{`States.Format('{}{}, {} {}', 1.50, true, null, 'x')`, `{}`, `"1.50true, null x"`},
		{`States.Format('\{\} it\'s \\ {}', 'a')`, `{}`, `"{} it's \\ a"`},
		{`States.Format($.t, 1)`, `{"t":"n={}"}`, `"n=1"`},
		{`States.Format('{}', '{}')`, `{}`, `"{}"`},
		{`States.Format('äöü {}', $['a b'])`, `{"a b":"ß"}`, `"äöü ß"`},
		{`States.StringToJson($.s)`, `{"s":"{\"number\": 20}"}`, `{"number":20}`},
		{`States.JsonToString($.o)`, `{"o":{ "name": "Foo", "year": 2020.0 }}`, `"{\"name\":\"Foo\",\"year\":2020.0}"`},
		{`States.Array($.id)`, `{"id":123456}`, `[123456]`},
		{`States.Array('{\}', States.Array())`, `{}`, `["{}",[]]`},
		{`States.ArrayContains($.a, 5.0)`, `{"a":[1,5]}`, `true`},
		{`States.ArrayContains($.a, $.o)`, `{"a":[{"x":[1,null]}],"o":{"x":[1.0,null]}}`, `true`},
		{`States.ArrayContains($.a, '1')`, `{"a":[1]}`, `false`},
		{`States.ArrayLength($.a)`, `{"a":[1,2]}`, `2`},
		{`States.ArrayGetItem($.a, 1)`, `{"a":[1,{"x":2}]}`, `{"x":2}`},
		{`States.MathAdd($.a, -1)`, `{"a":111}`, `110`},
		{`States.MathAdd(1.5, 1)`, `{}`, `3`},
		{`States.JsonMerge($.a, $.b, false)`, `{"a":{"x":{"p":1},"y":1},"b":{"x":2,"z":3}}`, `{"x":2,"y":1,"z":3}`},
		{`States.Hash('input data', 'SHA-1')`, `{}`, `"aaff4a450a104cd177d28d18d74485e8cae074b7"`},
		{`States.Hash('', 'MD5')`, `{}`, `"d41d8cd98f00b204e9800998ecf8427e"`},
		{`States.Hash('abc', 'SHA-256')`, `{}`, `"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"`},
		{`States.StringSplit('This.is+a,test=string', '.+,=')`, `{}`, `["This","is","a","test","string"]`},
		{`States.StringSplit(',a,,b,', ',')`, `{}`, `["a","b"]`},
		{`States.ArrayGetItem( States.StringSplit($$.State.Name, '-') , 0 )`, `{}`, `"S"`},
	} {
		if r := evaluate(t, tc.expression, tc.input); string(r.Output) != tc.want {
			t.Errorf("%s: got %s %s, want %s", tc.expression, r.Output, r.Cause, tc.want)
		}
	}
	a, b := evaluate(t, `States.UUID()`, `{}`), evaluate(t, `States.UUID()`, `{}`)
	if !regexp.MustCompile(`^"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"$`).Match(a.Output) || string(a.Output) == string(b.Output) {
		t.Errorf("%s %s", a.Output, b.Output)
	}
}

func TestIntrinsicFailures(t *testing.T) {
	for _, tc := range []struct{ expression, input, want string }{
		{`States.Format('{}', $.x)`, `{}`, `'$.x' could not be found`},
		{`States.Format('{}', $$.Execution.Input.x)`, `{}`, `could not be found in the context object`},
		{`States.Format('{}', $.o)`, `{"o":{}}`, `wrap it in States.JsonToString`},
		{`States.Format($.t, 1)`, `{"t":"{} {}"}`, `2 places {} but 1 values`},
		{`States.Format($.t, 1)`, `{"t":"{ {}"}`, `a brace`},
		{`States.Format($.t)`, `{"t":1}`, `argument 1 must be a string`},
		{`States.StringToJson($.s)`, `{"s":"x"}`, `not JSON`},
		{`States.StringToJson($.s)`, `{"s":1}`, `must be a string, not a number`},
		{`States.ArrayContains($.s, 1)`, `{"s":null}`, `must be an array, not null`},
		{`States.ArrayLength($.s)`, `{"s":true}`, `must be an array, not a boolean`},
		{`States.ArrayGetItem($.a, 1)`, `{"a":[1]}`, `1 is not an index of an array of 1`},
		{`States.MathAdd('1', 1)`, `{}`, `must be a number`},
		{`States.MathAdd(2147483647, 1)`, `{}`, `out of the range`},
		{`States.MathAdd(1e10, 1)`, `{}`, `out of the range`},
		{`States.JsonMerge($, $, true)`, `{}`, `must be false`},
		{`States.JsonMerge($, 1, false)`, `{}`, `must be objects`},
		{`States.Hash('x', 'SHA-3')`, `{}`, `the algorithm must be`},
		{`States.Hash($.s, 'MD5')`, `{"s":"` + strings.Repeat("x", 10_001) + `"}`, `more than 10000 characters`},
		{`States.StringSplit('x', 1)`, `{}`, `argument 2 must be a string`},
	} {
		r := evaluate(t, tc.expression, tc.input)
		if r.Error != asl.ErrorRuntime || !strings.Contains(r.Cause, tc.want) {
			t.Errorf("%s: got %s %s, want %s", tc.expression, r.Error, r.Cause, tc.want)
		}
	}
}

func TestChoice(t *testing.T) {
	for _, tc := range []struct {
		rule, input string
		want        bool
	}{
		{`"Variable":"$.a","StringEquals":"x"`, `{"a":"x"}`, true},
		{`"Variable":"$.a","StringEquals":"x"`, `{"a":1}`, false},
		{`"Variable":"$.a","StringEqualsPath":"$.b"`, `{"a":"x","b":"x"}`, true},
		{`"Variable":"$.a","StringEqualsPath":"$.b"`, `{"a":1,"b":1}`, false},
		{`"Variable":"$.a","StringLessThan":"b"`, `{"a":"a"}`, true},
		{`"Variable":"$.a","StringGreaterThanEquals":"b"`, `{"a":"b"}`, true},
		{`"Variable":"$.a","StringMatches":"log-*.txt"`, `{"a":"log-1.txt"}`, true},
		{`"Variable":"$.a","StringMatches":"*a*b*"`, `{"a":"xaxbx"}`, true},
		{`"Variable":"$.a","StringMatches":"*a*b*"`, `{"a":"xbxax"}`, false},
		{`"Variable":"$.a","StringMatches":"a*a"`, `{"a":"a"}`, false},
		{`"Variable":"$.a","StringMatches":"a\\*\\\\"`, `{"a":"a*\\"}`, true},
		{`"Variable":"$.a","StringMatches":"x"`, `{"a":"xy"}`, false},
		{`"Variable":"$.a","StringMatches":"x*"`, `{"a":1}`, false},
		{`"Variable":"$.a","NumericEquals":1`, `{"a":1.0}`, true},
		{`"Variable":"$.a","NumericGreaterThan":1`, `{"a":"2"}`, false},
		{`"Variable":"$.a","NumericLessThanEquals":1.5`, `{"a":1.5}`, true},
		{`"Variable":"$.a","NumericLessThanPath":"$.b"`, `{"a":1,"b":2}`, true},
		{`"Variable":"$.a","BooleanEquals":false`, `{"a":false}`, true},
		{`"Variable":"$.a","BooleanEqualsPath":"$.b"`, `{"a":true,"b":false}`, false},
		{`"Variable":"$.a","TimestampEquals":"2026-01-01T00:00:00Z"`, `{"a":"2026-01-01T01:00:00+01:00"}`, true},
		{`"Variable":"$.a","TimestampLessThanPath":"$$.Execution.StartTime"`, `{"a":"2026-02-28T23:00:00.5Z"}`, true},
		{`"Variable":"$.a","TimestampGreaterThan":"2026-01-01T00:00:00Z"`, `{"a":"soon"}`, false},
		{`"Variable":"$.a","IsPresent":true`, `{"a":null}`, true},
		{`"Variable":"$.a","IsPresent":false`, `{}`, true},
		{`"Variable":"$.a.b[0]","IsPresent":true`, `{"a":1}`, false},
		{`"Variable":"$.a","IsNull":true`, `{"a":null}`, true},
		{`"Variable":"$.a","IsString":false`, `{"a":1}`, true},
		{`"Variable":"$.a","IsNumeric":true`, `{"a":1}`, true},
		{`"Variable":"$.a","IsBoolean":true`, `{"a":true}`, true},
		{`"Variable":"$.a","IsTimestamp":true`, `{"a":"2026-01-01"}`, false},
		{`"Not":{"Variable":"$.a","IsNull":true}`, `{"a":1}`, true},
		{`"And":[{"Variable":"$.a","IsPresent":true},{"Variable":"$.a","NumericEquals":1}]`, `{}`, false},
		{`"And":[{"Variable":"$.a","IsPresent":true},{"Variable":"$.a","NumericEquals":1}]`, `{"a":1}`, true},
		{`"Or":[{"Variable":"$.a","NumericEquals":1},{"Variable":"$.b","NumericEquals":1}]`, `{"a":1}`, true},
		{`"Or":[{"Variable":"$.a","NumericEquals":1},{"Variable":"$.a","NumericEquals":2}]`, `{"a":3}`, false},
	} {
		m := load(t, one(`"Type":"Choice","Choices":[{`+tc.rule+`,"Next":"Yes"}],"Default":"No"},"Yes":{"Type":"Succeed"},"No":{"Type":"Succeed"`))
		r := m.Run(t.Context(), asl.Run{Input: json.RawMessage(tc.input), Clock: asl.NewVirtualClock(epoch)})
		want := "No"
		if tc.want {
			want = "Yes"
		}
		if len(r.Path) != 2 || r.Path[1] != want {
			t.Errorf("%s of %s: %v %s, want %s", tc.rule, tc.input, r.Path, r.Cause, want)
		}
	}
}
