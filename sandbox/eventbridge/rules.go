package eventbridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// Rule starts something when an event matches. It is configured and not part of
// the API: there is no PutRule.
type Rule struct {
	Name string // Required.
	// Account and Region are where the rule is; other events do not reach it.
	// Default wire.DefaultAccount and us-east-1.
	Account, Region string
	Bus             string            // default "default"
	Pattern         string            // see [Pattern]. Required.
	InputPaths      map[string]string // variable -> path such as $.detail.secretId
	InputTemplate   string            // Required.
	// Start starts the target. Required.
	Start func(ctx context.Context, input json.RawMessage) error

	pattern   Pattern
	transform transformer
}

// Undelivered is an event that matched a rule and could not start its target. On
// AWS it goes to the dead-letter queue of the rule's target.
type Undelivered struct {
	Rule         string `json:"rule"`
	Event        Event  `json:"event"`
	ErrorCode    string `json:"errorCode"`
	ErrorMessage string `json:"errorMessage"`
}

// compile checks the rule. Its mistakes are programming errors.
func (r *Rule) compile() (err error) {
	if r.Name == "" || r.Start == nil {
		return errors.New("a rule needs a name and a start")
	}
	if r.Account == "" {
		r.Account = wire.DefaultAccount
	}
	if r.Region == "" {
		r.Region = "us-east-1"
	}
	if r.Bus == "" {
		r.Bus = "default"
	}
	if r.pattern, err = ParsePattern(r.Pattern); err == nil {
		r.transform, err = newTransformer(r.InputPaths, r.InputTemplate)
	}
	if err != nil {
		return fmt.Errorf("rule %s: %w", r.Name, err)
	}
	return nil
}

// route gives the event to each rule that it matches.
func (s *Service) route(ctx context.Context, e Event) {
	for _, r := range s.cfg.Rules {
		if e.Account != r.Account || e.Region != r.Region || e.busName() != r.Bus || !r.pattern.Matches(e) {
			continue
		}
		input, err := r.transform.apply(e)
		if err != nil {
			s.giveUp(Undelivered{r.Name, e, "INVALID_JSON", err.Error()})
			continue
		}
		if err := r.Start(ctx, input); err != nil {
			letter := Undelivered{r.Name, e, "InternalError", "The target could not be started."} // other errors may quote anything
			if api, ok := errors.AsType[*wire.Error](err); ok {
				letter.ErrorCode, letter.ErrorMessage = api.Code, api.Message
			}
			s.giveUp(letter)
		}
	}
}

func (s *Service) giveUp(letter Undelivered) {
	s.undelivered.Add(letter)
	if s.cfg.OnUndelivered != nil {
		s.cfg.OnUndelivered(letter)
	}
}
