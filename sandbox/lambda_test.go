package sandbox_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"github.com/tumbler-rotation/tumbler/internal/engine/all"
)

// The functions can be invoked and found by every form of their name.
func TestLambdaAPI(t *testing.T) {
	w := newWorldWithoutSecret(t, all.Engines)
	api := lambda.NewFromConfig(w.sandbox.AWS("test"))
	const arn = "arn:aws:lambda:us-east-1:123456789012:function:tumbler-preflight"
	for _, name := range []string{"tumbler-preflight", arn, arn + ":$LATEST", "123456789012:function:tumbler-preflight"} {
		got, err := api.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: &name})
		if err != nil || aws.ToString(got.Configuration.FunctionArn) != arn || aws.ToInt32(got.Configuration.Timeout) != 60 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		out, err := api.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name, Payload: []byte(`{"request":{"secretId":"none"}}`)})
		if err != nil || out.StatusCode != 200 || out.FunctionError != nil || aws.ToString(out.ExecutedVersion) != "$LATEST" || len(out.Payload) == 0 {
			t.Errorf("%s: %+v, %v", name, out, err)
		}
	}
	for _, name := range []string{"tumbler-none", "tumbler-preflight:7", "arn:aws:lambda:eu-west-1:123456789012:function:tumbler-preflight"} {
		_, err := api.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name})
		if _, missing := errors.AsType[*types.ResourceNotFoundException](err); !missing {
			t.Errorf("%s: %v", name, err)
		}
	}
	list, err := api.ListFunctions(t.Context(), &lambda.ListFunctionsInput{})
	if err != nil || len(list.Functions) < 7 || list.Functions[0].Runtime != types.RuntimeProvidedal2023 {
		t.Errorf("%d functions, %v", len(list.Functions), err)
	}

	failed, err := api.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("tumbler-preflight")})
	if err != nil || aws.ToString(failed.FunctionError) != "Unhandled" || string(failed.Payload) !=
		`{"errorMessage":"the payload has no field request. Send {\"request\":{\"secretId\":\"...\"}}","errorType":"InvalidRequest"}` {
		t.Errorf("%s, %+v, %v", failed.Payload, failed, err)
	}
	dry, err := api.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("tumbler-plan"), InvocationType: types.InvocationTypeDryRun})
	if err != nil || dry.StatusCode != 204 {
		t.Errorf("%+v, %v", dry, err)
	}
	for code, in := range map[string]lambda.InvokeInput{
		"InvalidRequestContentException": {Payload: []byte("{")},
		"InvalidParameterValueException": {InvocationType: types.InvocationTypeEvent},
	} {
		in.FunctionName = aws.String("tumbler-plan")
		_, err := api.Invoke(t.Context(), &in)
		if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != code {
			t.Errorf("got %v, want %s", err, code)
		}
	}
}
