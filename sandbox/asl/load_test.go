package asl_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

// task makes a task state with further fields, and a state C for its Catch.
func task(fields string) string {
	return one(`"Type":"Task","Resource":"${F}",` + fields + `,"End":true},"C":{"Type":"Succeed"`)
}

func TestLoadRefuses(t *testing.T) {
	const pass = `"Type":"Pass","End":true`
	for _, tc := range []struct{ name, definition, want string }{
		{"no JSON", `{"StartAt"`, `is not JSON`},
		{"no object", `[]`, `is an array`},
		{"no states", `{"StartAt":"S"}`, `States: is missing`},
		{"empty states", `{"StartAt":"S","States":{}}`, `States: is missing`},
		{"no start", `{"States":{"S":{` + pass + `}}}`, `StartAt: is missing: name the first state`},
		{"dangling start", `{"StartAt":"X","States":{"S":{` + pass + `}}}`, `StartAt: "X": there is no such state`},
		{"unknown top field", `{"StartAt":"S","Start":1,"States":{"S":{` + pass + `}}}`, `Start: 1: is not a field here`},
		{"version", `{"StartAt":"S","Version":"2.0","States":{"S":{` + pass + `}}}`, `Version: "2.0": is not supported`},
		{"JSONata", `{"StartAt":"S","QueryLanguage":"JSONata","States":{"S":{` + pass + `}}}`, `QueryLanguage: "JSONata"`},
		{"machine timeout", `{"StartAt":"S","TimeoutSeconds":0,"States":{"S":{` + pass + `}}}`, `TimeoutSeconds: 0: is not in range`},
		{"duplicate state", `{"StartAt":"S","States":{"S":{` + pass + `},"S":{` + pass + `}}}`, `$.States.S: is there twice`},
		{"duplicate field", one(pass + `,"Comment":"a","Comment":"b"`), `$.States.S.Comment: is there twice`},
		{"state is no object", `{"StartAt":"S","States":{"S":1}}`, `States.S: 1: is not an object`},
		{"long name", strings.ReplaceAll(one(pass), `"S"`, `"`+strings.Repeat("S", 81)+`"`), `empty or too long`},
		{"no type", one(`"End":true`), `state "S": Type: is missing`},
		{"unknown type", one(`"Type":"Paralel","End":true`), `state "S": Type: "Paralel": is not a type of state of this interpreter: use Pass`},
		{"unknown field", one(pass + `,"ResultsPath":"$"`), `state "S": ResultsPath: "$": is not a field here: remove it; the fields here are Type,`},
		{"unsupported field", task(`"HeartbeatSeconds":5`), `HeartbeatSeconds: 5: is not supported here by this interpreter`},
		{"field of another type", one(pass + `,"Seconds":1`), `Seconds: 1: is not a field here`},
		{"fail with input path", one(`"Type":"Fail","InputPath":"$"`), `InputPath: "$": is not a field here`},
		{"succeed with next", one(`"Type":"Succeed","Next":"S"`), `Next: "S": is not a field here`},
		{"next and end", one(pass + `,"Next":"S"`), `End is there as well`},
		{"neither next nor end", one(`"Type":"Pass"`), `Next: is missing, and so is End`},
		{"end false", one(`"Type":"Pass","End":false`), `End: false: is not true`},
		{"next is no text", one(`"Type":"Pass","Next":1`), `Next: 1: is a number: give a string`},
		{"dangling next", one(`"Type":"Pass","Next":"X"`), `state "S": Next: "X": there is no such state: name one of States`},
		{"unreachable", one(pass + `},"U":{"Type":"Succeed"`), `state "U": cannot be reached from S`},
		{"no way to an end", one(`"Type":"Pass","Next":"T"},"T":{"Type":"Pass","Next":"S"`), `cannot reach an end`},
		{"bad path", one(pass + `,"InputPath":"a.b"`), `InputPath: "a.b": a path begins with $`},
		{"wildcard", one(pass + `,"InputPath":"$.a[*]"`), `wildcards, slices and filters are not supported`},
		{"filter", one(pass + `,"OutputPath":"$..a"`), `a name is missing after the dot`},
		{"junk after path", one(pass + `,"InputPath":"$a"`), `"a" is not part of a Reference Path`},
		{"unclosed bracket", one(pass + `,"InputPath":"$['a"`), `a quoted name in brackets is malformed`},
		{"negative index", one(pass + `,"InputPath":"$[-1]"`), `is neither an index`},
		{"path is a number", one(pass + `,"InputPath":1`), `is a number: give a path`},
		{"context member", one(pass + `,"InputPath":"$$.Execution.Nmae"`), `the context object has no Execution.Nmae`},
		{"context root", one(pass + `,"InputPath":"$$.Task.Token"`), `the context object has no "Task"`},
		{"result path of the context", one(pass + `,"ResultPath":"$$.State.Name"`), `cannot be written to`},
		{"result path with an index", one(pass + `,"ResultPath":"$.a[0]"`), `cannot be written to`},
		{"parameters are no object", one(pass + `,"Parameters":"$"`), `Parameters: "$": is a string: give an object`},
		{"expression is no text", one(pass + `,"Parameters":{"a":[{"b.$":1}]}`), `Parameters.a[0].b.$: 1: is not a string`},
		{"expression is no path", one(pass + `,"Parameters":{"a.$":"b"}`), `it is neither a path nor an intrinsic function`},
		{"both forms of a member", one(pass + `,"Parameters":{"a.$":"$","a":1}`), `"a" is there as well`},
		{"unknown function", one(pass + `,"Parameters":{"a.$":"States.Foo()"}`), `"States.Foo" is not an intrinsic function`},
		{"too few arguments", one(pass + `,"Parameters":{"a.$":"States.Hash('a')"}`), `States.Hash takes 2 arguments, not 1`},
		{"unclosed call", one(pass + `,"Parameters":{"a.$":"States.Array(1"}`), `are not closed`},
		{"no comma", one(pass + `,"Parameters":{"a.$":"States.Array(1 2)"}`), `not separated by commas`},
		{"dangling comma", one(pass + `,"Parameters":{"a.$":"States.Array(1,)"}`), `an argument is missing`},
		{"junk after call", one(pass + `,"Parameters":{"a.$":"States.UUID() x"}`), `follows the intrinsic function`},
		{"unquoted argument", one(pass + `,"Parameters":{"a.$":"States.Array(x)"}`), `the argument "x" is not a path`},
		{"unclosed string", one(pass + `,"Parameters":{"a.$":"States.Array('x)"}`), `a string is not closed`},
		{"bad escape", one(pass + `,"Parameters":{"a.$":"States.Array('\\n')"}`), `a backslash in a string must be followed`},
		{"control character", one(pass + `,"Parameters":{"a.$":"States.Array('\n')"}`), `a control character`},
		{"format places", one(pass + `,"Parameters":{"a.$":"States.Format('{} {}', $)"}`), `States.Format has 2 places {} but 1 values`},
		{"format brace", one(pass + `,"Parameters":{"a.$":"States.Format('{x}')"}`), `must be written \{ or \}`},
		{"nesting", one(pass + `,"Parameters":{"a.$":"` + strings.Repeat("States.Array(", 11) + strings.Repeat(")", 11) + `"}`), `nested more than 10 deep`},
		{"no resource", one(`"Type":"Task","End":true`), `Resource: is missing`},
		{"bad resource", one(`"Type":"Task","Resource":"lambda","End":true`), `Resource: "lambda": is neither a Lambda`},
		{"callback", one(`"Type":"Task","Resource":"arn:aws:states:::sqs:sendMessage.waitForTaskToken","End":true`), `integration pattern that is not supported`},
		{"placeholder", one(`"Type":"Task","Resource":"${G}","End":true`), `$.States.S.Resource: ${G}: has no substitution`},
		{"odd placeholder", one(pass + `,"Comment":"${a b}"`), `${a b}: has no substitution`},
		{"timeout", task(`"TimeoutSeconds":1.5`), `TimeoutSeconds: 1.5: is not in range: give a whole number from 1 to 99999999`},
		{"two timeouts", task(`"TimeoutSeconds":1,"TimeoutSecondsPath":"$.t"`), `TimeoutSeconds is there as well`},
		{"retry is no list", task(`"Retry":{}`), `Retry: {}: is an object: give an array`},
		{"retry entry", task(`"Retry":[1]`), `Retry[0]: 1: is a number`},
		{"unknown retry field", task(`"Retry":[{"ErrorEquals":["A"],"Interval":1}]`), `Retry[0].Interval: 1: is not a field here`},
		{"no errors", task(`"Retry":[{"ErrorEquals":[]}]`), `Retry[0].ErrorEquals: is missing`},
		{"error is no text", task(`"Retry":[{"ErrorEquals":[1]}]`), `1: is not an error name`},
		{"attempts", task(`"Retry":[{"ErrorEquals":["A"],"MaxAttempts":-1}]`), `Retry[0].MaxAttempts: -1: is not in range`},
		{"attempts too many", task(`"Retry":[{"ErrorEquals":["A"],"MaxAttempts":100000000}]`), `MaxAttempts: 100000000: is not in range`},
		{"interval", task(`"Retry":[{"ErrorEquals":["A"],"IntervalSeconds":0}]`), `IntervalSeconds: 0: is not in range`},
		{"back-off", task(`"Retry":[{"ErrorEquals":["A"],"BackoffRate":0.5}]`), `state "S": Retry[0].BackoffRate: 0.5: is not in range: give a number of at least 1`},
		{"cap below the interval", task(`"Retry":[{"ErrorEquals":["A"],"IntervalSeconds":5,"MaxDelaySeconds":5}]`), `MaxDelaySeconds: 5: is not greater than IntervalSeconds`},
		{"cap too large", task(`"Retry":[{"ErrorEquals":["A"],"MaxDelaySeconds":31622400}]`), `MaxDelaySeconds: 31622400: is not in range`},
		{"jitter", task(`"Retry":[{"ErrorEquals":["A"],"JitterStrategy":"HALF"}]`), `JitterStrategy: "HALF": is not a jitter strategy: give FULL or NONE`},
		{"runtime", task(`"Catch":[{"ErrorEquals":["States.Runtime"],"Next":"C"}]`), `"States.Runtime": always ends the execution`},
		{"reserved name", task(`"Catch":[{"ErrorEquals":["States.Timout"],"Next":"C"}]`), `"States.Timout": is not an error name of Step Functions`},
		{"ALL with others", task(`"Catch":[{"ErrorEquals":["A","States.ALL"],"Next":"C"}]`), `States.ALL must stand alone`},
		{"ALL not last", task(`"Catch":[{"ErrorEquals":["States.ALL"],"Next":"C"},{"ErrorEquals":["A"],"Next":"C"}]`), `comes after Catch[0], which has States.ALL: put States.ALL last`},
		{"error twice", task(`"Retry":[{"ErrorEquals":["A"]},{"ErrorEquals":["A"]}]`), `Retry[1].ErrorEquals: "A": is already in Retry[0]`},
		{"catch without next", task(`"Catch":[{"ErrorEquals":["A"]}]`), `Catch[0].Next: is missing`},
		{"dangling catch", task(`"Catch":[{"ErrorEquals":["A"],"Next":"X"}]`), `"X": there is no such state`},
		{"wait for nothing", one(`"Type":"Wait","End":true`), `give exactly one of Seconds`},
		{"wait for two", one(`"Type":"Wait","Seconds":1,"TimestampPath":"$.t","End":true`), `give exactly one of Seconds`},
		{"wait for a day", one(`"Type":"Wait","Timestamp":"2026-01-01","End":true`), `Timestamp: "2026-01-01": is not a time`},
		{"negative wait", one(`"Type":"Wait","Seconds":-1,"End":true`), `Seconds: -1: is not in range`},
		{"no choices", one(`"Type":"Choice","Choices":[]`), `Choices: has no choices`},
		{"choice without next", one(`"Type":"Choice","Choices":[{"Variable":"$.a","IsNull":true}]`), `Choices[0].Next: is missing`},
		{"nested next", one(`"Type":"Choice","Choices":[{"Not":{"Variable":"$.a","IsNull":true,"Next":"S"},"Next":"S"}]`), `Choices[0].Not.Next: "S": is not a field here`},
		{"unknown operator", one(`"Type":"Choice","Choices":[{"Variable":"$.a","StringEqual":"x","Next":"S"}]`), `Choices[0]: has 0 comparison operators`},
		{"two operators", one(`"Type":"Choice","Choices":[{"Variable":"$.a","StringEquals":"x","IsNull":true,"Next":"S"}]`), `Choices[0]: has 2 comparison operators`},
		{"no variable", one(`"Type":"Choice","Choices":[{"StringEquals":"x","Next":"S"}]`), `Choices[0].Variable: is missing`},
		{"operand type", one(`"Type":"Choice","Choices":[{"Variable":"$.a","NumericEquals":"1","Next":"S"}]`), `NumericEquals: "1": is of the wrong type`},
		{"test type", one(`"Type":"Choice","Choices":[{"Variable":"$.a","IsNull":"x","Next":"S"}]`), `IsNull: "x": is a string: give true or false`},
		{"no such path operator", one(`"Type":"Choice","Choices":[{"Variable":"$.a","StringMatchesPath":"$.b","Next":"S"}]`), `is not an operator: use StringMatches`},
		{"default", one(`"Type":"Choice","Default":"","Choices":[{"Variable":"$.a","IsNull":true,"Next":"S"}]`), `Default: "": is empty`},
		{"error and path", one(`"Type":"Fail","Error":"E","ErrorPath":"$.e"`), `ErrorPath: "$.e": Error is there as well`},
		{"error path", one(`"Type":"Fail","ErrorPath":"e"`), `it is neither a path nor`},
		{"cause path function", one(`"Type":"Fail","CausePath":"States.Array(1)"`), `States.Array does not return a string`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := asl.Load([]byte(tc.definition), map[string]string{"F": lambda})
			var bad *asl.DefinitionError
			if !errors.As(err, &bad) || m != nil {
				t.Fatalf("loaded: %v", err)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v\nwant %s", err, tc.want)
			}
			for _, p := range bad.Problems {
				if p.Remedy == "" {
					t.Errorf("no remedy: %v", p)
				}
			}
		})
	}
}

func TestLoadTellsEverything(t *testing.T) {
	_, err := asl.Load([]byte(`{"StartAt":"A","Foo":1,"States":{"A":{"Type":"Pass","Bar":2,"Next":"B"},"B":{"Type":"Nap"}}}`), nil)
	for _, want := range []string{"Foo", "Bar", "Nap"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%q is not told: %v", want, err)
		}
	}
}

func TestSubstitution(t *testing.T) {
	m, err := asl.Load([]byte(one(`"Type":"Pass","Result":"a ${X} b ${Y}","End":true`)), map[string]string{"X": `"quoted"`, "Y": "${X}", "Z": "unused"})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"StartAt":"S","States":{"S":{"Type":"Pass","Result":"a \"quoted\" b ${X}","End":true}}}`
	if got := string(m.Definition()); got != want {
		t.Errorf("got %s", got)
	}
}

func FuzzLoad(f *testing.F) {
	if definition, err := os.ReadFile("../../statemachine/rotation.asl.json"); err == nil {
		f.Add(definition)
	}
	f.Add([]byte(retrying))
	f.Add([]byte(one(`"Type":"Choice","Choices":[{"And":[{"Not":{"Variable":"$.a","StringMatches":"a*"}}],"Next":"T"}]},"T":{"Type":"Fail","CausePath":"States.Format('{}', $$.State.Name)"`)))
	f.Add([]byte(one(`"Type":"Pass","Parameters":{"a.$":"States.MathAdd(1, States.ArrayLength($.b['c'][0]))"},"End":true`)))
	f.Fuzz(func(t *testing.T, definition []byte) {
		m, err := asl.Load(definition, nil)
		if err != nil {
			return
		}
		// What was accepted is stable, can be drawn and can be described.
		again, err := asl.Load(m.Definition(), nil)
		if err != nil || string(again.Definition()) != string(m.Definition()) {
			t.Errorf("the definition does not load again: %v", err)
		}
		if asl.Mermaid(m) != asl.Mermaid(again) || len(m.States()) == 0 {
			t.Error("the drawing differs")
		}
	})
}
