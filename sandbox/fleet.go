package sandbox

import (
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/statemachine"
)

// deployFleet adds the state machine that runs the rotation for many secrets.
func (s *Sandbox) deployFleet(work *tasks, topicARN string) error {
	work.nested = s.states.RunNested
	machine, err := asl.Load(statemachine.Fleet, map[string]string{
		"PlanWaveFunctionArn":     functionARN("planwave") + version,
		"RotationStateMachineArn": s.StateMachineARN,
		"AlertTopicArn":           topicARN,
		"EventBusName":            "default",
	})
	if err != nil {
		return err
	}
	s.FleetARN, err = s.states.Register("tumbler-fleet", machine)
	return err
}
