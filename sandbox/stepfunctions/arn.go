package stepfunctions

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

func (s *Service) arn(kind, name string) string {
	return strings.Join([]string{"arn:aws:states", s.cfg.Region, s.cfg.Account, kind, name}, ":")
}

// maxName is the longest name of a state machine or execution, in characters.
const maxName = 80

// badInName are the characters AWS refuses (API reference: "StartExecution",
// name).
var badInName = regexp.MustCompile("[\\s<>{}\\[\\]?*\"#%\\\\^|~`$&,;:/\\x{00}-\\x{1f}\\x{7f}-\\x{9f}\\x{fffe}\\x{ffff}\\x{10ffff}]")

func checkName(name string) error {
	if n := utf8.RuneCountInString(name); n == 0 || n > maxName {
		return invalid("name", "Member must have length between 1 and 80")
	}
	if badInName.MatchString(name) || !utf8.ValidString(name) {
		return wire.Errorf("InvalidName", "Invalid Name: '%s'", name)
	}
	return nil
}

// invalid is a violation of a constraint that the API's model declares.
func invalid(member, constraint string) *wire.Error {
	return wire.Errorf("ValidationException", "1 validation error detected: Value at '%s' failed to satisfy constraint: %s", member, constraint)
}

// checkARN reads the kind of resource a Step Functions ARN names.
func checkARN(member, arn, kind string) error {
	if arn == "" {
		return invalid(member, "Member must not be null")
	}
	parts := strings.Split(arn, ":")
	if len(parts) < 7 || parts[0] != "arn" || parts[2] != "states" || parts[6] == "" {
		return wire.Errorf("InvalidArn", "Invalid Arn: 'Invalid ARN prefix: %s'", arn)
	}
	if parts[5] != kind || kind == "execution" && len(parts) != 8 {
		return wire.Errorf("InvalidArn", "Invalid Arn: 'Resource type not valid in this context: %s'", parts[5])
	}
	return nil
}

// visible reports whether the caller is where the state machines are.
func (s *Service) visible(call wire.Call) bool {
	return call.Caller.Account == s.cfg.Account && call.Caller.Region == s.cfg.Region
}

// findMachine is called with the lock held.
func (s *Service) findMachine(call wire.Call, arn string) (*machine, error) {
	if err := checkARN("stateMachineArn", arn, "stateMachine"); err != nil {
		return nil, err
	}
	m := s.machines[arn]
	if m == nil || !s.visible(call) {
		return nil, wire.Errorf("StateMachineDoesNotExist", "State Machine Does Not Exist: '%s'", arn)
	}
	return m, nil
}

// findExecution is called with the lock held.
func (s *Service) findExecution(call wire.Call, arn string) (*execution, error) {
	if err := checkARN("executionArn", arn, "execution"); err != nil {
		return nil, err
	}
	e := s.executions[arn]
	if e == nil || !s.visible(call) {
		return nil, wire.Errorf("ExecutionDoesNotExist", "Execution Does Not Exist: '%s'", arn)
	}
	return e, nil
}
