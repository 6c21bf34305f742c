package asl

import (
	"math"
	"slices"
	"strings"
	"time"
)

// retrier is one entry of Retry (ASL: "Retrying after error"; AWS: "Handling
// errors in Step Functions workflows", retrying after an error).
type retrier struct {
	errors      []string
	interval    int64 // seconds
	maxAttempts int
	backoff     float64
	maxDelay    int64 // seconds; 0: none
	jitter      bool
}

// catcher is one entry of Catch (ASL: "Fallback states").
type catcher struct {
	errors     []string
	resultPath ioPath
	next       string
}

// delay is the pause before the n-th retry (from 1). The cap holds before the
// jitter: full jitter is anything between nothing and the capped delay.
func (r *retrier) delay(n int, jitter float64) time.Duration {
	s := float64(r.interval) * math.Pow(r.backoff, float64(n-1))
	if r.maxDelay > 0 {
		s = math.Min(s, float64(r.maxDelay))
	}
	if r.jitter {
		s *= jitter
	}
	// AWS bounds MaxDelaySeconds, so this only keeps the arithmetic sane.
	return time.Duration(math.Min(s, maxSeconds) * float64(time.Second))
}

// matches reports whether one of the names stands for the error. States.Runtime
// is never caught, and States.DataLimitExceeded only by its own name.
func matches(names []string, name string) bool {
	for _, n := range names {
		switch {
		case name == ErrorRuntime:
			return false
		case n == name:
			return true
		case name == ErrorDataLimitExceeded:
		case n == ErrorAll, n == ErrorTaskFailed && name != ErrorTimeout:
			return true
		}
	}
	return false
}

// knownErrors are the predefined error names that may be matched.
var knownErrors = []string{
	ErrorAll, ErrorTaskFailed, ErrorTimeout, ErrorDataLimitExceeded, ErrorResultPath,
	"States.HeartbeatTimeout", "States.Permissions", "States.ParameterPathFailure",
	"States.BranchFailed", "States.NoChoiceMatched", "States.IntrinsicFailure",
	ErrorTolerance, "States.ItemReaderFailed", "States.ResultWriterFailed",
	"States.Http.Socket",
}

// AWS's ranges ("Handling errors in Step Functions workflows", Retry fields).
const (
	maxAttempts   = 99_999_999
	maxRetryDelay = 31_622_400
)

func (l *loader) retry(f *fields) []*retrier {
	var list []*retrier
	seen := map[string]string{}
	wildcard := ""
	f.list("Retry", func(_ int, item *fields) {
		r := &retrier{interval: 1, maxAttempts: 3, backoff: 2}
		r.errors = l.errorEquals(item, seen, &wildcard)
		if n, ok := item.whole("IntervalSeconds", 1, maxSeconds); ok {
			r.interval = n
		}
		if n, ok := item.whole("MaxAttempts", 0, maxAttempts); ok {
			r.maxAttempts = int(n)
		}
		if x, ok := item.number("BackoffRate", 1); ok {
			r.backoff = x
		}
		if n, ok := item.whole("MaxDelaySeconds", 1, maxRetryDelay-1); ok {
			r.maxDelay = n
			if n <= r.interval {
				item.problem(item.prefix+"MaxDelaySeconds", item.obj.vals["MaxDelaySeconds"], "is not greater than IntervalSeconds", "raise it, or lower IntervalSeconds")
			}
		}
		if s, ok := item.text("JitterStrategy"); ok {
			r.jitter = s == "FULL"
			if s != "FULL" && s != "NONE" {
				item.problem(item.prefix+"JitterStrategy", s, "is not a jitter strategy", "give FULL or NONE")
			}
		}
		_, _ = item.text("Comment")
		item.done()
		list = append(list, r)
	})
	return list
}

func (l *loader) catch(f *fields) []*catcher {
	var list []*catcher
	seen := map[string]string{}
	wildcard := ""
	f.list("Catch", func(_ int, item *fields) {
		c := &catcher{errors: l.errorEquals(item, seen, &wildcard), resultPath: item.ioPath("ResultPath")}
		c.next = item.required("Next", "name the state to go to")
		_, _ = item.text("Comment")
		item.done()
		list = append(list, c)
	})
	return list
}

// errorEquals reads the names of one entry. seen says which entry of the list
// already has a name: only the first that matches counts, so a second could
// never match. wildcard is the entry that has States.ALL.
func (l *loader) errorEquals(f *fields, seen map[string]string, wildcard *string) []string {
	field := f.prefix + "ErrorEquals"
	here := strings.TrimSuffix(f.prefix, ".")
	v, _ := f.get("ErrorEquals")
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		f.missing(field, "is missing or not a list of error names", "name at least one error")
		return nil
	}
	if *wildcard != "" {
		f.problem(field, v, "comes after "+*wildcard+", which has States.ALL", "put States.ALL last")
	}
	var names []string
	for _, item := range list {
		name, ok := item.(string)
		switch {
		case !ok || name == "":
			f.problem(field, item, "is not an error name", "give a string")
		case name == ErrorRuntime:
			f.problem(field, name, "always ends the execution", "remove it: it cannot be retried or caught")
		case strings.HasPrefix(name, "States.") && !slices.Contains(knownErrors, name):
			f.problem(field, name, "is not an error name of Step Functions", "correct it; names that begin with States. are reserved")
		case seen[name] != "":
			f.problem(field, name, "is already in "+seen[name]+", so this one never matches", "remove one of the two")
		default:
			seen[name] = here
			names = append(names, name)
		}
	}
	if slices.Contains(names, ErrorAll) {
		*wildcard = here
		if len(list) > 1 {
			f.problem(field, v, "has names beside States.ALL", "States.ALL must stand alone")
		}
	}
	return names
}
