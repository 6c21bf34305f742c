// Package lambda is AWS Lambda for the sandbox, as far as invoking functions and
// looking which there are. Functions are deployed by the sandbox itself.
//
// The rules are those of the "AWS Lambda API Reference". Different from AWS: an
// asynchronous invocation is refused, so are versions and aliases, and a payload
// is as long as the endpoint's requests may be.
package lambda

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// Result is how an invocation ended.
type Result struct {
	Payload []byte
	Failed  bool // the payload is then {"errorType","errorMessage"}
}

// Config is the service's configuration. All of it is required.
type Config struct {
	// Functions lists what is deployed: how long each may take, by ARN.
	Functions func() map[string]time.Duration
	// Invoke runs one of them.
	Invoke func(ctx context.Context, arn string, payload []byte) Result
}

// Service is the API.
type Service struct{ cfg Config }

var _ wire.Service = (*Service)(nil)

// New makes the service.
func New(cfg Config) *Service { return &Service{cfg} }

// Spec says how the service is reached.
func (*Service) Spec() wire.Spec {
	return wire.Spec{Name: "lambda", Protocol: wire.RESTJSON, MessageKey: "Message"}
}

// Operations is the table of what is supported.
func (s *Service) Operations() map[string]wire.Operation {
	const functions = "/2015-03-31/functions"
	return map[string]wire.Operation{
		"Invoke":                   wire.Op(s.invoke).At(http.MethodPost, functions+"/{FunctionName}/invocations"),
		"ListFunctions":            wire.Op(s.list).At(http.MethodGet, functions),
		"GetFunction":              wire.Op(s.get).At(http.MethodGet, functions+"/{FunctionName}"),
		"GetFunctionConfiguration": wire.Op(s.getConfiguration).At(http.MethodGet, functions+"/{FunctionName}/configuration"),
	}
}

type named struct {
	FunctionName string
	Qualifier    string `query:"Qualifier"`
}

func (n *named) Resource() string { return n.FunctionName }

type invokeInput struct {
	named
	invocationType string
	payload        []byte
}

// SetPayload implements [wire.Payload].
func (in *invokeInput) SetPayload(header http.Header, body []byte) {
	in.invocationType, in.payload = header.Get("X-Amz-Invocation-Type"), body
}

func (s *Service) invoke(ctx context.Context, call wire.Call, in *invokeInput) (*wire.Answer, error) {
	arn, err := s.find(call, in.named)
	if err != nil {
		return nil, err
	}
	if len(in.payload) == 0 {
		in.payload = []byte("{}") // as Lambda does
	}
	if !json.Valid(in.payload) {
		return nil, wire.Errorf("InvalidRequestContentException", "Could not parse request body into json.")
	}
	switch in.invocationType {
	case "", "RequestResponse":
	case "DryRun":
		return &wire.Answer{Status: http.StatusNoContent}, nil
	default:
		return nil, wire.Errorf("InvalidParameterValueException", "The sandbox invokes functions synchronously only (InvocationType RequestResponse or DryRun).")
	}
	result := s.cfg.Invoke(ctx, arn, in.payload)
	answer := &wire.Answer{Status: http.StatusOK, Header: http.Header{"X-Amz-Executed-Version": {latest}}, Body: result.Payload}
	if result.Failed {
		answer.Header.Set("X-Amz-Function-Error", "Unhandled")
	}
	return answer, nil
}

// latest is the only version of each function.
const latest = "$LATEST"

// find returns the ARN of a function that is named by its name, its ARN, or what
// lies between, each with or without a version.
func (s *Service) find(call wire.Call, n named) (string, error) {
	name, qualifier := n.FunctionName, n.Qualifier
	if _, after, isARN := strings.Cut(name, ":function:"); isARN {
		name = after
	}
	if before, after, found := strings.Cut(name, ":"); found {
		name, qualifier = before, after
	}
	arn := "arn:aws:lambda:" + call.Caller.Region + ":" + call.Caller.Account + ":function:" + name
	wrongPlace := strings.HasPrefix(n.FunctionName, "arn:") && n.FunctionName != arn && !strings.HasPrefix(n.FunctionName, arn+":")
	if _, exists := s.cfg.Functions()[arn]; !exists || wrongPlace || qualifier != "" && qualifier != latest {
		if qualifier != "" {
			arn += ":" + qualifier
		}
		if wrongPlace {
			arn = n.FunctionName
		}
		return "", &wire.Error{Code: "ResourceNotFoundException", Message: "Function not found: " + arn, Status: http.StatusNotFound}
	}
	return arn, nil
}

type configuration struct {
	FunctionName, FunctionArn, Version, Runtime, Handler, State, PackageType string

	Timeout int // seconds
}

func (s *Service) describe(arn string) configuration {
	return configuration{
		FunctionName: arn[strings.LastIndexByte(arn, ':')+1:], FunctionArn: arn, Version: latest,
		Runtime: "provided.al2023", Handler: "bootstrap", State: "Active", PackageType: "Zip",
		Timeout: int(s.cfg.Functions()[arn].Seconds()),
	}
}

type listOutput struct{ Functions []configuration }

func (s *Service) list(_ context.Context, call wire.Call, _ *struct{}) (*listOutput, error) {
	out := &listOutput{Functions: []configuration{}}
	for _, arn := range slices.Sorted(maps.Keys(s.cfg.Functions())) {
		if strings.HasPrefix(arn, "arn:aws:lambda:"+call.Caller.Region+":"+call.Caller.Account+":") {
			out.Functions = append(out.Functions, s.describe(arn))
		}
	}
	return out, nil
}

type getOutput struct{ Configuration configuration }

func (s *Service) get(_ context.Context, call wire.Call, in *named) (*getOutput, error) {
	arn, err := s.find(call, *in)
	if err != nil {
		return nil, err
	}
	return &getOutput{s.describe(arn)}, nil
}

func (s *Service) getConfiguration(_ context.Context, call wire.Call, in *named) (*configuration, error) {
	arn, err := s.find(call, *in)
	if err != nil {
		return nil, err
	}
	c := s.describe(arn)
	return &c, nil
}
