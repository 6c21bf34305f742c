package stepfunctions

import (
	"context"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

type describeInput struct {
	ExecutionArn string `json:"executionArn"`
	IncludedData string `json:"includedData"`
}

// Resource is the execution.
func (in *describeInput) Resource() string { return in.ExecutionArn }

// metadataOnly leaves out the inputs, outputs and definitions.
const metadataOnly = "METADATA_ONLY"

func checkIncludedData(v string) error {
	if v != "" && v != "ALL_DATA" && v != metadataOnly {
		return invalid("includedData", "Member must satisfy enum value set: [ALL_DATA, METADATA_ONLY]")
	}
	return nil
}

type includedDetails struct {
	Included bool `json:"included"`
}

type describeOutput struct {
	ExecutionArn        string           `json:"executionArn"`
	StateMachineArn     string           `json:"stateMachineArn"`
	Name                string           `json:"name"`
	Status              asl.Status       `json:"status"`
	StartDate           *wire.Time       `json:"startDate"`
	StopDate            *wire.Time       `json:"stopDate,omitempty"`
	Input               *string          `json:"input,omitempty"`
	InputDetails        *includedDetails `json:"inputDetails,omitempty"`
	Output              *string          `json:"output,omitempty"`
	OutputDetails       *includedDetails `json:"outputDetails,omitempty"`
	Error               string           `json:"error,omitempty"`
	Cause               string           `json:"cause,omitempty"`
	RedriveCount        int              `json:"redriveCount"`
	RedriveDate         *wire.Time       `json:"redriveDate,omitempty"`
	RedriveStatus       string           `json:"redriveStatus"`
	RedriveStatusReason string           `json:"redriveStatusReason,omitempty"`
}

func (s *Service) describeExecution(_ context.Context, call wire.Call, in *describeInput) (*describeOutput, error) {
	if err := checkIncludedData(in.IncludedData); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.findExecution(call, in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	out := &describeOutput{
		ExecutionArn: e.ARN, StateMachineArn: e.machine.arn, Name: e.Name, Status: e.status,
		StartDate: wire.NewTime(e.started), StopDate: wire.NewTime(e.stopped),
		RedriveCount: e.redrives, RedriveDate: wire.NewTime(e.redriven),
		RedriveStatus: "REDRIVABLE",
	}
	if out.RedriveStatusReason = e.notRedrivable(s.cfg.Clock.Now()); out.RedriveStatusReason != "" {
		out.RedriveStatus = "NOT_REDRIVABLE"
	}
	all := in.IncludedData != metadataOnly
	details := &includedDetails{all}
	out.InputDetails = details
	if all {
		out.Input, out.Error, out.Cause = &e.input, e.failure.Name, e.failure.Cause
	}
	if e.status == asl.Succeeded {
		out.OutputDetails = details
		if all {
			out.Output = &e.output
		}
	}
	return out, nil
}

type describeMachineInput struct {
	StateMachineArn string `json:"stateMachineArn"`
	IncludedData    string `json:"includedData"`
}

// Resource is the state machine.
func (in *describeMachineInput) Resource() string { return in.StateMachineArn }

type machineOutput struct {
	StateMachineArn string     `json:"stateMachineArn"`
	Name            string     `json:"name"`
	Status          string     `json:"status,omitempty"`
	Type            string     `json:"type,omitempty"`
	Definition      string     `json:"definition"`
	RoleArn         string     `json:"roleArn"`
	CreationDate    *wire.Time `json:"creationDate,omitempty"`
	UpdateDate      *wire.Time `json:"updateDate,omitempty"`
	Logging         logging    `json:"loggingConfiguration"`
	Tracing         tracing    `json:"tracingConfiguration"`
}

type logging struct {
	Level                string `json:"level"`
	IncludeExecutionData bool   `json:"includeExecutionData"`
}

type tracing struct {
	Enabled bool `json:"enabled"`
}

func (s *Service) describe(m *machine, includedData string) *machineOutput {
	out := &machineOutput{
		StateMachineArn: m.arn, Name: m.name, Definition: string(m.definition.Definition()),
		// There is no IAM here; the member is required.
		RoleArn: "arn:aws:iam::" + s.cfg.Account + ":role/sandbox",
		Logging: logging{Level: "OFF"},
	}
	if includedData == metadataOnly {
		out.Definition = "{}"
	}
	return out
}

func (s *Service) describeStateMachine(_ context.Context, call wire.Call, in *describeMachineInput) (*machineOutput, error) {
	if err := checkIncludedData(in.IncludedData); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.findMachine(call, in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	out := s.describe(m, in.IncludedData)
	out.Status, out.Type, out.CreationDate = "ACTIVE", "STANDARD", wire.NewTime(m.created)
	return out, nil
}

func (s *Service) describeStateMachineForExecution(_ context.Context, call wire.Call, in *describeInput) (*machineOutput, error) {
	if err := checkIncludedData(in.IncludedData); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.findExecution(call, in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	out := s.describe(e.machine, in.IncludedData)
	out.UpdateDate = wire.NewTime(e.machine.created)
	return out, nil
}
