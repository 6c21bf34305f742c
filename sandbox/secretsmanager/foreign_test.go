package secretsmanager_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/sandbox/secretsmanager"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// A client that shares no code with ours finds the sandbox indistinguishable
// from Secrets Manager.
func TestForeignClient(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is not installed: this test needs it, as the rest of the check does")
	}
	if _, err := os.Stat(filepath.Join("..", "..", "node_modules", "@aws-sdk", "client-secrets-manager")); err != nil {
		t.Fatal("the JavaScript SDK is not installed: run npm ci --ignore-scripts")
	}
	svc := secretsmanager.New(secretsmanager.Config{})
	defer svc.Close()
	var mu sync.Mutex
	callers := map[string]int{}
	h, err := wire.New(wire.Config{Observe: func(r wire.Record) {
		mu.Lock()
		defer mu.Unlock()
		callers[r.Caller.AccessKeyID+" "+r.Caller.Region]++
	}}, svc)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := wire.Listen("127.0.0.1:0", h)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	}()

	cmd := exec.CommandContext(t.Context(), node, filepath.Join("..", "testdata", "foreign.mjs"))
	cmd.Env = append(
		os.Environ(),
		"AWS_ENDPOINT_URL_SECRETS_MANAGER="+srv.URL, "AWS_REGION=eu-central-1",
		"AWS_ACCESS_KEY_ID=javascript", "AWS_SECRET_ACCESS_KEY=x", "NODE_NO_WARNINGS=1",
	)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"arn":           "arn:aws:secretsmanager:eu-central-1:123456789012:secret:foreign/db-SUFFIX",
		"password":      true,
		"pendingStages": []any{"AWSPENDING"},
		"withoutCompare": "typed InvalidParameterException 400: The parameter RemoveFromVersionId can't be empty. " +
			"Staging label AWSCURRENT is currently attached to version FIRST, so you must explicitly reference that version in RemoveFromVersionId.",
		"rotated":       true,
		"createdIsDate": true,
		"previous":      "old",
		"tags":          []any{"team=blau & grün", "more="},
		"labels":        []any{"AWSCURRENT+AWSPENDING", "AWSPREVIOUS"},
		"names":         []any{"foreign/binary", "foreign/db"},
		"batch":         []any{"0,200,255", "ResourceNotFoundException"},
		"missing":       "typed ResourceNotFoundException 400: Secrets Manager can't find the specified secret.",
		"deleted":       "InvalidRequestException 400: You can't perform this operation on the secret because it was marked for deletion.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(callers) != 1 || callers["javascript eu-central-1"] == 0 {
		t.Errorf("callers %v", callers)
	}
}
