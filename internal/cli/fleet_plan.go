package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/term"

	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/internal/config"
	"github.com/tumbler-rotation/tumbler/internal/fleet"
	"github.com/tumbler-rotation/tumbler/internal/watch/audit"
)

// plan is what a fleet would do.
type plan struct {
	fleet.Survey
	request fleet.Request
	missing []string // configured secrets that do not exist; set for a fleet of all secrets only
}

// shown is how many of the first secrets a plan names.
const shown = 10

func makePlan(ctx context.Context, source fleet.Source, configured audit.Registry, r fleet.Request) (plan, error) {
	there := map[string]bool{}
	source.Secrets = noting{source.Secrets, there}
	survey, err := source.Survey(ctx, r, "", max(*r.Canary, shown))
	p := plan{Survey: survey, request: r}
	if err != nil || !r.Select.All {
		return p, err
	}
	entries, err := configured.List(ctx)
	for _, e := range entries {
		if !there[config.SecretName(e.SecretID)] {
			p.missing = append(p.missing, e.SecretID)
		}
	}
	slices.Sort(p.missing)
	return p, err
}

// noting records which secrets exist.
type noting struct {
	fleet.Lister
	there map[string]bool // by name
}

// List implements [fleet.Lister].
func (n noting) List(ctx context.Context, s fleet.Selection, each func(fleet.Secret) error) error {
	return n.Lister.List(ctx, s, func(secret fleet.Secret) error {
		n.there[secret.Name] = n.there[secret.Name] || !secret.Deleted
		return each(secret)
	})
}

// complete returns an error if all secrets were asked for and one of rotations.yaml does not
// exist.
func (p plan) complete() error {
	if len(p.missing) == 0 {
		return nil
	}
	are := "are"
	if len(p.missing) == 1 {
		are = "is"
	}
	return fmt.Errorf("not all were rotated: %s of rotations.yaml %s not there or scheduled for deletion: %s. Restore what is missing, or remove it from rotations.yaml and deploy",
		secrets(len(p.missing)), are, strings.Join(p.missing[:min(len(p.missing), shown)], ", "))
}

// event describes the plan as the event of a fleet that has rotated nothing yet.
func (p plan) event(outcome fleet.Outcome, execution string) fleet.Event {
	return fleet.Event{Outcome: outcome, Execution: execution, Reason: p.request.Reason, Total: p.Total, Earlier: p.Earlier, Skipped: p.Skipped}
}

// usualRotation is the assumed duration of a rotation, for the estimate.
const usualRotation = 3 * time.Second

// estimate is the duration of the fleet if no rotation fails. Rotations begin one after
// the other, and each wave ends with its last one.
func (p plan) estimate() time.Duration {
	waves := (p.Total + fleet.WaveSize - 1) / fleet.WaveSize
	writes := (p.Total - waves) * fleet.WritesPerRotation
	return (time.Duration(waves)*usualRotation + time.Duration(writes)*time.Second/time.Duration(p.request.Budget)).Round(time.Second)
}

func (p plan) show(out *terminal.Printer) {
	out.Heading("%s to rotate: %s", secrets(p.Total), p.request.Select)
	if p.Earlier > 0 {
		out.Say("%d were rotated by what is resumed", p.Earlier)
	}
	for _, why := range slices.Sorted(maps.Keys(p.Skipped)) {
		out.Say("%d left out: %s", p.Skipped[why], why)
	}
	for _, name := range p.missing {
		out.Check(false, "%s is in rotations.yaml, and there is no such secret, or it is scheduled for deletion", name)
	}
	if p.Total == 0 {
		return
	}
	for i, s := range p.First {
		if i == shown {
			break
		}
		out.Aside("%s", s.Name)
	}
	if p.Total > shown {
		out.Aside("and %d more", p.Total-shown)
	}
	tolerated, _ := p.request.Tolerated(p.Total) // the request was checked
	if canary := min(*p.request.Canary, p.Total); canary > 0 {
		out.Say("The first %d are canaries: if one fails, no others are started.", canary)
	}
	out.Say("Stops when more than %d have failed. Rotations under way are always finished.", tolerated)
	out.Say("One after the other, with %d writes a second on average: about %s.", p.request.Budget, terminal.Duration(p.estimate()))
}

func secrets(n int) string {
	if n == 1 {
		return "1 secret"
	}
	return fmt.Sprintf("%d secrets", n)
}

// nothing explains a plan without secrets.
func (p plan) nothing() error {
	switch {
	case len(p.missing) > 0:
		return p.complete()
	case p.Earlier > 0:
		return nil // the rest has been rotated meanwhile
	case p.Skipped[fleet.SkipNotConfigured] > 0:
		return fmt.Errorf("nothing to rotate: this deployment rotates none of the selected secrets. Add them to rotations.yaml and deploy, or name the deployment of their network with --name")
	}
	return fmt.Errorf("nothing to rotate: no secret matches. Check the tag or prefix, and the Region")
}

// confirm asks on a terminal. Without one it returns an error.
func confirm(ctx context.Context, in io.Reader, out io.Writer, n int) error {
	if f, ok := in.(*os.File); !ok || !term.IsTerminal(f.Fd()) {
		return fmt.Errorf("%w: there is no terminal to ask on. Read the plan above, then run it again with --yes", errStopped)
	}
	return ask(ctx, in, out, n)
}

func ask(ctx context.Context, in io.Reader, out io.Writer, n int) error {
	answer, err := newPrompt(ctx, in, out).ask(fmt.Sprintf("\nRotate %s? [y/N] ", secrets(n)))
	if err != nil {
		return err
	}
	if answer = strings.ToLower(answer); answer == "y" || answer == "yes" {
		return nil
	}
	return errStopped // the end of input means no
}
