package main

import (
	"testing"
)

// The plain template's parameters take the place of what stands for them, in the request
// within the list, too; without any, the list is as it is.
func TestFilledIn(t *testing.T) {
	const list = `[{"secretId":"parameter/SecretName","expression":"cron(0 2 ? * SUN *)","input":"{\"secretId\":\"parameter/SecretName\"}"}]`
	got := filledIn(list, map[string]any{"parameter/SecretName": "prod/app", "cron(0 2 ? * SUN *)": "cron(0 3 1 * ? *)", "other": 1})
	if want := `[{"secretId":"prod/app","expression":"cron(0 3 1 * ? *)","input":"{\"secretId\":\"prod/app\"}"}]`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := filledIn(list, nil); got != list {
		t.Error(got)
	}
}
