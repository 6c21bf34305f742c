package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/aws/executions"
)

func newEvents() *cobra.Command {
	var (
		to           target
		asJSON, once bool
		since        string
		interval     time.Duration
	)
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show rotations as they begin and end, of all secrets",
		Long: `Shows a line when a rotation begins and when it ends: of which secret, how it ended,
for how long AWSCURRENT was refused, who asked and why. It goes on until Ctrl-C, or with
--once shows what has been since --since.

It looks at the executions every few seconds. What has to react without a person
subscribes to the events themselves (docs/guide.md).`,
		Example: `  tumbler events
  tumbler events --since 24h --once --json | jq 'select(.event == "ended" and .outcome != "Rotated")'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := ago(since, time.Now())
			if err != nil {
				return err
			}
			if interval < time.Second {
				return usageError{fmt.Errorf("--interval %s: at least 1s", interval)}
			}
			v, err := to.view(cmd.Context())
			if err != nil {
				return err
			}
			s := stream{view: v, out: cmd.OutOrStdout(), asJSON: asJSON, since: from, told: map[string]bool{}}
			for {
				if err := s.look(cmd.Context()); err != nil {
					if cmd.Context().Err() != nil {
						return nil // Ctrl-C is how it ends
					}
					return err
				}
				if once {
					return nil
				}
				select {
				case <-cmd.Context().Done():
					return nil
				case <-time.After(interval):
				}
			}
		},
	}
	to.flags(cmd)
	cmd.Flags().StringVar(&since, "since", "0s", "begin with what was started so long ago, such as 24h or 7d")
	cmd.Flags().BoolVar(&once, "once", false, "show what has been, and end")
	cmd.Flags().DurationVar(&interval, "interval", 5*time.Second, "how often to look")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON, an object a line")
	return cmd
}

// stream reports each beginning and each end once.
type stream struct {
	*view
	out    io.Writer
	asJSON bool
	since  time.Time
	told   map[string]bool // by execution and what happened
}

// happened is a beginning or an end.
type happened struct {
	Event  string    `json:"event"` // started or ended
	At     time.Time `json:"at"`
	Secret string    `json:"secret"`
	past
}

func (s *stream) look(ctx context.Context) error {
	began := time.Now()
	outcomes, err := executions.New(s.api).Since(ctx, s.machine, s.since)
	if err != nil {
		return explainFault("looking at the executions", err)
	}
	var news []happened
	oldest := began // of those that still run: they have an end to be told
	for _, o := range slices.Backward(outcomes) {
		p := pastOf(o)
		news = append(news, happened{"started", p.StartedAt, o.SecretID, past{StartedAt: p.StartedAt, Outcome: running, Trigger: p.Trigger, Execution: p.Execution}})
		if p.EndedAt != nil {
			news = append(news, happened{"ended", *p.EndedAt, o.SecretID, p})
		} else if o.StartedAt.Before(oldest) {
			oldest = o.StartedAt
		}
	}
	slices.SortStableFunc(news, func(a, b happened) int { return a.At.Compare(b.At) })
	for _, h := range news {
		if key := h.Event + h.Execution; !s.told[key] {
			s.told[key] = true
			if err := s.tell(h); err != nil {
				return err
			}
		}
	}
	const overlap = time.Minute // clocks differ
	s.since = oldest.Add(-overlap)
	return nil
}

func (s *stream) tell(h happened) error {
	if s.asJSON {
		return json.NewEncoder(s.out).Encode(h)
	}
	text := "started"
	if h.Event == "ended" {
		text = h.words()
	} else if h.Trigger.Source != "" {
		text += " by " + h.Trigger.Source
		if h.Trigger.Reason != "" {
			text += ": " + h.Trigger.Reason
		}
	}
	_, err := fmt.Fprintf(s.out, "%s  %s  %s\n", h.At.Format("2006-01-02 15:04:05"), h.Secret, text)
	return err
}

// ago reads a duration back from now; days may be written as d.
func ago(text string, now time.Time) (time.Time, error) {
	var days int
	if n, err := fmt.Sscanf(text, "%dd", &days); n == 1 && err == nil && text == fmt.Sprintf("%dd", days) && days >= 0 {
		return now.AddDate(0, 0, -days), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return time.Time{}, usageError{fmt.Errorf("--since %q: write a time back from now, such as 90d or 12h", text)}
	}
	return now.Add(-d), nil
}
