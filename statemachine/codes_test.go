package statemachine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

// functions are the states that run a Lambda function.
var functions = []string{
	"Plan", "CreateSecret", "ReadyToTest", "ReadyToFinish", "ReadyToRestore", "SetSecret", "TestSecret", "FinishSecret", "Restore",
	"SetSecretByFunction", "TestSecretByFunction",
}

// lambdaErrors are what Lambda and Step Functions report by themselves and what
// passes (AWS: "Invoke an AWS Lambda function with Step Functions", transient
// errors; a function that runs out of time is Sandbox.Timedout).
var lambdaErrors = []string{
	"Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException",
	"Lambda.TooManyRequestsException", "Lambda.ClientExecutionTimeoutException", "Lambda.Unknown",
	"Sandbox.Timedout", late,
}

// otherErrors do not pass.
var otherErrors = []string{"Runtime.ExitError", "Lambda.ResourceNotFoundException", "States.Permissions", "NobodyKnowsThis", "ValueError"}

// cannotReport are the codes that a step has no way to run into: Plan reads
// metadata only, these three have no path to a database, and only CreateSecret
// waits for replicas.
var cannotReport = map[string][]fault.Code{
	"Plan":           {fault.VersionNotReady, fault.DatabaseUnreachable, fault.DatabaseUnavailable, fault.OutcomeUnknown, fault.ReplicaLagging},
	"CreateSecret":   {fault.DatabaseUnreachable, fault.DatabaseUnavailable, fault.OutcomeUnknown},
	"FinishSecret":   {fault.DatabaseUnreachable, fault.DatabaseUnavailable, fault.OutcomeUnknown, fault.ReplicaLagging},
	"ReadyToTest":    {fault.OutcomeUnknown, fault.ReplicaLagging},
	"ReadyToFinish":  {fault.DatabaseUnreachable, fault.DatabaseUnavailable, fault.OutcomeUnknown, fault.ReplicaLagging},
	"ReadyToRestore": {fault.OutcomeUnknown, fault.ReplicaLagging},
	"SetSecret":      {fault.ReplicaLagging},
	"TestSecret":     {fault.ReplicaLagging},
	"Restore":        {fault.ReplicaLagging},
}

// retried says whether the state must try again after the error.
func retried(state, err string) bool {
	code := fault.Code(err)
	switch {
	case slices.Contains(lambdaErrors, err):
		return true
	case state == "TestSecret" && code == fault.LoginRefused:
		return true
	default:
		return code.Retryable() && !slices.Contains(cannotReport[state], code)
	}
}

// allErrors are what a state has to cope with.
func allErrors(state string) []string {
	errors := slices.Concat(lambdaErrors, otherErrors)
	for _, code := range fault.Codes() {
		if noted := code == fault.SuperuserNeeded && (state == "SetSecret" || state == "Restore"); !noted { // see scenarios
			errors = append(errors, string(code))
		}
	}
	if stepsByFunction[state] != "" { // whose answers may be of any size
		errors = append(errors, asl.ErrorDataLimitExceeded)
	}
	return errors
}

// codeScenarios are one error at one function, for good and, if it is retried,
// passing at the last attempt.
func codeScenarios(state, err string) []scenario {
	if stepsByFunction[state] != "" {
		return functionScenarios(state, err)
	}
	name, cause := err, causeOf(err)
	if err == late {
		name, cause = asl.ErrorTimeout, ""
	}
	tries, pauses := 0, time.Duration(0)
	switch {
	case state == "TestSecret" && err == string(fault.LoginRefused):
		tries, pauses = 4, backOff(4, second, 8*second)
	case state == "CreateSecret" && err == string(fault.ReplicaLagging):
		tries, pauses = 6, backOff(6, 5*second, 30*second)
	case retried(state, err):
		tries, pauses = retries[state].max, exhausted(state)
	}
	var perTry time.Duration
	if err == late {
		perTry = retries[state].timeout
	}
	forGood := scenario{
		name: state + " " + err + " for good", faults: []failing{{state, err, 0}},
		path: upTo(state) + restore + alert + "RestoredCleanly", err: name, cause: cause,
		attempts: map[string]int{state: tries + 1}, took: pauses + time.Duration(tries+1)*perTry,
	}
	passing := scenario{
		name: state + " " + err + " passing", faults: []failing{{state, err, tries}},
		path:     begin + announce + "Rotated",
		attempts: map[string]int{state: tries + 1}, took: pauses + time.Duration(tries)*perTry,
	}
	if state == "Restore" {
		first := failing{"SetSecret", "DatabaseError", 0}
		forGood.faults = append(forGood.faults, first)
		forGood.path = upTo("SetSecret") + giveUp
		forGood.err = first.err
		forGood.cause = first.err + ": " + causeOf(first.err) + ". Then restoring failed with " + name + ": " + cause
		passing.faults = append(passing.faults, first)
		passing.path = upTo("SetSecret") + restore + alert + "RestoredCleanly"
		passing.err, passing.cause = first.err, causeOf(first.err)
	}
	if tries == 0 {
		return []scenario{forGood}
	}
	return []scenario{forGood, passing}
}

// Every code, and every error of Lambda's, at every function.
func TestErrorsAtEveryFunction(t *testing.T) {
	m := loaded(t)
	for _, state := range functions {
		for _, err := range allErrors(state) {
			for _, sc := range codeScenarios(state, err) {
				if wrong, _ := sc.check(t.Context(), m); wrong != "" {
					t.Errorf("%s: %s", sc.name, wrong)
				}
			}
		}
	}
}

// The two directions: the definition names only codes that there are, and tries
// again after exactly those that can get better.
func TestNamesOfErrors(t *testing.T) {
	known := map[string]bool{}
	for _, code := range fault.Codes() {
		known[string(code)] = true
	}
	named := map[fault.Code]bool{}
	for _, s := range everyState(loaded(t)) {
		if s.Type != "Task" && s.Type != "Parallel" {
			continue
		}
		if last := len(s.Catch) - 1; branches[s.Name] == "" && (last < 0 || s.Catch[last].ErrorEquals[0] != asl.ErrorAll) {
			t.Errorf("%s does not catch everything: %v", s.Name, s.Catch)
		}
		if s.Type != "Task" {
			continue
		}
		if s.Timeout == 0 {
			t.Errorf("%s has no timeout", s.Name)
		}
		var names []string
		for _, r := range s.Retry {
			names = append(names, r.ErrorEquals...)
		}
		for _, name := range names {
			if strings.Contains(name, ".") {
				continue
			}
			if !known[name] {
				t.Errorf("%s names %s, which is not a code of package fault", s.Name, name)
			}
			named[fault.Code(name)] = true
			if slices.Contains(cannotReport[s.Name], fault.Code(name)) {
				t.Errorf("%s retries %s, which it cannot run into", s.Name, name)
			}
		}
	}
	for _, code := range fault.Codes() {
		if want := code.Retryable() || code == fault.LoginRefused; named[code] != want {
			t.Errorf("%s: retried somewhere: %t, can get better: %t", code, named[code], want)
		}
	}
}
