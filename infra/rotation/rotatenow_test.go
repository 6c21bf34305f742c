package rotation

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/config"
)

// TestEventsFindTheirSecret enumerates pairs of names, of which one may begin the other,
// in networks and forms of all kinds: each event, by name or by ARN, reaches the workflow
// of its secret and no other, or the configuration is refused.
func TestEventsFindTheirSecret(t *testing.T) {
	const arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:"
	const head = "networks:\n  one: {vpc: vpc-00000001, subnets: [subnet-00000001]}\n  two: {vpc: vpc-00000002, subnets: [subnet-00000002]}\ndefaults: {network: none}\nrotations:\n  - {secret: unrelated}\n"
	type secret struct{ name, suffix, network string }
	workflow := map[string]string{"none": "tumbler", "one": "tumbler-one", "two": "tumbler-two"}
	deployed, refused := 0, 0
	for _, names := range [][2]string{{"app", "app-prod"}, {"app", "app-AbCdEf"}, {"app", "application"}, {"app/x", "app"}, {"a-b", "a-b-c-d"}} {
		for _, networks := range [][2]string{{"none", "one"}, {"one", "none"}, {"one", "two"}, {"two", "one"}, {"one", "one"}} {
			for form := range 4 {
				pair := [2]secret{{names[0], "-AbCdEf", networks[0]}, {names[1], "-GhIjKl", networks[1]}}
				src := head
				for i, s := range pair {
					id := s.name
					if form&(1<<i) != 0 {
						id = arn + s.name + s.suffix
					}
					src += fmt.Sprintf("  - {secret: '%s', network: %s}\n", id, s.network)
				}
				cfg, err := config.Parse("rotations.yaml", []byte(src))
				if err != nil {
					if !strings.Contains(err.Error(), "an event that names it by ARN would reach that one") {
						t.Fatal(err)
					}
					refused++
					continue
				}
				deployed++
				for _, s := range pair {
					for _, id := range []string{s.name, arn + s.name + s.suffix} {
						if got, want := reached(t, cfg, id), []string{workflow[s.network]}; !slices.Equal(got, want) {
							t.Errorf("%s reaches %v, want %v, of:\n%s", id, got, want, src)
						}
					}
				}
			}
		}
	}
	t.Logf("%d configurations deployed, %d refused", deployed, refused)
	if deployed < 50 || refused == 0 {
		t.Errorf("%d deployed and %d refused", deployed, refused)
	}
}

// reached are the workflows whose rule an event about the secret matches.
func reached(t *testing.T, cfg *config.Config, secretID string) (names []string) {
	bus := "bus"
	s := &shared{cfg: cfg, busName: &bus}
	for _, d := range s.deployments() {
		if hears(t, d.asksForRotation(), secretID) {
			names = append(names, d.name)
		}
	}
	return names
}

// hears is what EventBridge makes of a rule of ours. Source: its user guide, "Comparison
// operators": wildcard, and anything-but with wildcards.
func hears(t *testing.T, pattern map[string]any, secretID string) bool {
	detail, several := pattern["detail"].(map[string]any)
	if !several {
		return true
	}
	for _, filter := range detail["secretId"].([]any) {
		for operator, value := range filter.(map[string]any) {
			switch operator {
			case "wildcard":
				if config.Covers(value.(string), secretID) {
					return true
				}
			case "anything-but":
				if !slices.ContainsFunc(value.(map[string]any)["wildcard"].([]string), func(w string) bool { return config.Covers(w, secretID) }) {
					return true
				}
			case "exists":
			default:
				t.Fatalf("the operator %s", operator)
			}
		}
	}
	return false
}
