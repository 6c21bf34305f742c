package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tumbler-rotation/tumbler/internal/cli/follow"
	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// summary counts what the first rotation took, and looks for passwords where
// none may be.
func (d *demo) summary(ctx context.Context) error {
	d.app.close()
	d.out.Heading("5. What one rotation took")
	written, err := d.everythingWritten(ctx)
	if err != nil {
		return err
	}
	total := 0
	for _, n := range d.calls {
		total += n
	}
	d.out.Fact("credential gap", "%s (the database refused what AWSCURRENT said)", d.gap)
	d.out.Fact("database logins", "%d accepted, %d refused", d.logins.Accepted, d.logins.Refused)
	d.out.Fact("Secrets Manager calls", "%d", total)
	for _, operation := range slices.Sorted(maps.Keys(d.calls)) {
		d.out.Fact("  "+operation, "%d", d.calls[operation])
	}
	d.out.Say("")
	found := ""
	for place, text := range written {
		for _, password := range d.passwords {
			if strings.Contains(text, password.Reveal()) {
				found = place
			}
		}
	}
	d.claim(found == "", "none of %d passwords is in %s%s", len(d.passwords),
		strings.Join(slices.Sorted(maps.Keys(written)), ", "), foundIn(found))
	d.out.Say("")
	d.out.Say("Told in %s. Next: make sandbox, and rotate with your own application.", terminal.Duration(time.Since(d.began)))
	return nil
}

func foundIn(place string) string {
	if place == "" {
		return ""
	}
	return ": FOUND in the " + place
}

// everythingWritten collects every text that outlives a rotation.
func (d *demo) everythingWritten(ctx context.Context) (map[string]string, error) {
	serverLog, err := os.ReadFile(d.database.LogPath)
	if err != nil {
		return nil, fmt.Errorf("reading the database's log: %w", err)
	}
	history, err := d.history(ctx)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	alerts, err := json.Marshal(d.alerts)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"execution histories": history,
		"function logs":       d.log.String(),
		"alerts":              string(alerts),
		"PostgreSQL log":      string(serverLog),
	}, nil
}

func (d *demo) history(ctx context.Context) (string, error) {
	var all strings.Builder
	executions, err := d.states.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &d.sandbox.StateMachineARN})
	if err != nil {
		return "", err
	}
	for _, e := range executions.Executions {
		pages := sfn.NewGetExecutionHistoryPaginator(d.states, &sfn.GetExecutionHistoryInput{ExecutionArn: e.ExecutionArn})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return "", err
			}
			raw, err := json.Marshal(page.Events)
			if err != nil {
				return "", err
			}
			all.Write(raw)
		}
	}
	return all.String(), nil
}

// run starts a rotation and shows its states.
func (d *demo) run(ctx context.Context) (follow.Ending, error) {
	input, err := json.Marshal(rotation.Request{SecretID: secretID, Trigger: rotation.Trigger{Source: "manual", Reason: "demo"}})
	if err != nil {
		return follow.Ending{}, err
	}
	d.app.since() // count from here
	d.app.more(ctx, 20)
	started, err := d.states.StartExecution(ctx, &sfn.StartExecutionInput{
		StateMachineArn: &d.sandbox.StateMachineARN, Input: aws.String(string(input)),
	})
	if err != nil {
		return follow.Ending{}, err
	}
	ending, err := follow.Config{API: d.states, Interval: 20 * time.Millisecond, OnStep: d.out.Step}.
		Execution(ctx, aws.ToString(started.ExecutionArn))
	d.app.more(ctx, 20)
	return ending, err
}

// gapOf reads the credential gap that the rotation measured itself.
func gapOf(e follow.Ending) string {
	var out struct {
		Event rotation.Event `json:"event"`
	}
	if json.Unmarshal(e.Output, &out) != nil || out.Event.CredentialGapMs == nil {
		return "not known"
	}
	return fmt.Sprintf("%d ms", *out.Event.CredentialGapMs)
}
