package cli

import (
	"bufio"
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
	"github.com/tumbler-rotation/tumbler/internal/fleet"
)

// plan is what a fleet would do.
type plan struct {
	fleet.Survey
	request fleet.Request
}

// shown is how many secrets a plan names, of those that come first.
const shown = 10

func makePlan(ctx context.Context, source fleet.Source, r fleet.Request) (plan, error) {
	survey, err := source.Survey(ctx, r, "", max(*r.Canary, shown))
	return plan{survey, r}, err
}

// What a rotation takes, for the estimate, and the state machine's pause.
const (
	usualRotation = 3 * time.Second
	pace          = time.Second
)

// estimate is the time in which so many rotations are made if none is in trouble.
func (p plan) estimate() time.Duration {
	rounds := (p.Total + p.request.Concurrency() - 1) / p.request.Concurrency()
	return time.Duration(rounds) * (usualRotation + pace)
}

func (p plan) show(out *terminal.Printer) {
	out.Heading("%s to rotate: %s", secrets(p.Total), p.request.Select)
	if p.Earlier > 0 {
		out.Say("%d were rotated by what is resumed", p.Earlier)
	}
	for _, why := range slices.Sorted(maps.Keys(p.Skipped)) {
		out.Say("%d left out: %s", p.Skipped[why], why)
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
	out.Say("%d at once, at most %d writes a second: about %s.", p.request.Concurrency(), p.request.Budget, terminal.Duration(p.estimate()))
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
	case p.Earlier > 0:
		return nil // all that was left has been done meanwhile
	case p.Skipped[fleet.SkipNotConfigured] > 0:
		return fmt.Errorf("nothing to rotate: this deployment rotates none of the selected secrets. Add them to rotations.yaml and deploy, or name the deployment of their network with --name")
	}
	return fmt.Errorf("nothing to rotate: no secret matches. Check the tag or prefix, and the Region")
}

// confirm asks on a terminal. Elsewhere nobody could answer.
func confirm(in io.Reader, out io.Writer, n int) error {
	if f, ok := in.(*os.File); !ok || !term.IsTerminal(f.Fd()) {
		return fmt.Errorf("%w: there is no terminal to ask on. Read the plan above, then run it again with --yes", errStopped)
	}
	return ask(in, out, n)
}

func ask(in io.Reader, out io.Writer, n int) error {
	fmt.Fprintf(out, "\nRotate %s? [y/N] ", secrets(n))
	answer, _ := bufio.NewReader(in).ReadString('\n') // an end of input is a no
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer == "y" || answer == "yes" {
		return nil
	}
	return errStopped
}
