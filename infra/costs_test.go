package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/metrics"
	"github.com/tumbler-rotation/tumbler/statemachine"
)

// TestCosts: what docs/deploy.md says that a deployment costs by the month counts its
// alarms and its own metrics, at the list prices that it names.
func TestCosts(t *testing.T) {
	src, err := os.ReadFile("../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.Join(strings.Fields(string(src)), " ")
	alarms := func(yaml string) (n int) {
		for _, r := range synthYAML(t, yaml).Resources {
			if r.Type == "AWS::CloudWatch::Alarm" {
				n++
			}
		}
		return n
	}
	fewest := alarms("alerts: {emails: [a@b.c]}\nrotateNow: {enabled: false}\n" + minimal)
	most := alarms("alerts: {emails: [a@b.c]}\nheartbeat: true\nrotations:\n  - {secret: a, schedule: rate(30 days), nativeBackstop: 90d}\n  - {secret: b}\n")
	numbers := []string{5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten", 11: "eleven", 12: "twelve"}
	if want := fmt.Sprintf("%s to %s alarms for a network ($0.10 each)", numbers[fewest], numbers[most]); !strings.Contains(page, want) {
		t.Errorf("docs/deploy.md does not say %q", want)
	}
	// One metric is written for each combination of its dimensions.
	written := 0
	for _, name := range metrics.Names {
		switch name {
		case metrics.Rotations: // by outcome
			for _, s := range []string{"Rotated", "AlreadyRotating", "WindowClosed", "Refused", "RestoredCleanly", "NeedsAttention"} {
				if strings.Contains(string(statemachine.Rotation), `"`+s+`": {`) {
					written++
				}
			}
		case metrics.StepDuration, metrics.Retries: // by step
			for _, f := range stubbed {
				if f != "planwave" && f != "registry" && f != "rotateimmediately" && f != "incident" {
					written++
				}
			}
		default:
			written++
		}
	}
	if !strings.Contains(page, "about 30 custom metrics ($0.30 each") || written < 26 || written > 34 {
		t.Errorf("%d metrics are written, and docs/deploy.md does not say about so many", written)
	}
	if low, high := 0.1*float64(fewest)+0.3*30+1, 0.1*float64(most)+0.3*30+1; low < 10 || high > 11.5 || !strings.Contains(page, "**about $11**") {
		t.Errorf("alarms, metrics and the topic's key are $%.2f to $%.2f, and docs/deploy.md says otherwise", low, high)
	}
}
