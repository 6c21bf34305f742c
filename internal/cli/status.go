package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/aws/executions"
	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/aws/secretsmgr"
	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/internal/config"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/watch/audit"
)

func newStatus() *cobra.Command {
	var (
		to            target
		asJSON, login bool
	)
	cmd := &cobra.Command{
		Use:   "status [SECRET]",
		Short: "Show whether secrets were rotated when they should have been",
		Long: `Shows for every secret of a deployment when it was last rotated, when the next
rotation window opens (UTC), and the state that it is in:

  ok               rotated when it should have been
  rotating         an execution is at it
  waiting          an execution waits for the rotation window
  failed           the last rotation failed; AWSCURRENT is as it was
  needs attention  a rotation did not finish, or AWSCURRENT is refused
  overdue          a rotation window has passed without a rotation
  stuck            AWSPENDING was left behind, or put there by hand
  missing          the secret is gone, or scheduled for deletion
  unknown          it could not be looked at

LAST OUTCOME is the ending that matters most since the last success. With SECRET it
describes that one: versions and labels, the last rotations, and what to do.

It is seen from the secrets themselves, as the function audit sees it each hour. No
secret value is read and nobody logs in, so that "ok" says nothing of logins: with
--login Tumbler's function preflight logs in with each AWSCURRENT, once.

The exit code is 1 unless every secret is ok, rotating or waiting, and with --login
unless every AWSCURRENT logs in.`,
		Example: `  tumbler status
  tumbler status prod/app --login
  tumbler status --json | jq '.[] | select(.state != "ok")'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return oneArg("secret")(cmd, args)
		},
		ValidArgsFunction: completeSecrets,
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := to.view(cmd.Context())
			if err != nil {
				return err
			}
			if len(args) == 1 {
				v.only = args[0]
			}
			statuses, err := v.statuses(cmd.Context())
			if err != nil {
				return err
			}
			if login {
				v.logIn(cmd.Context(), statuses)
			}
			if v.only != "" {
				err = v.describe(cmd.Context(), cmd.OutOrStdout(), statuses[0], asJSON)
			} else {
				err = writeStatuses(cmd.OutOrStdout(), statuses, login, asJSON)
			}
			if err != nil {
				return err
			}
			return verdict(statuses, login)
		},
	}
	to.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	cmd.Flags().BoolVar(&login, "login", false, "have Tumbler's function log in with AWSCURRENT; each refusal counts towards a lockout")
	return cmd
}

// view reads the state of rotations for several commands.
type view struct {
	name     string
	only     string // one secret, by name or ARN. Optional.
	machine  string
	api      *sfn.Client
	secrets  *secretsmgr.Client
	registry audit.Registry
	history  []executions.Outcome // the latest first
}

func (t *target) view(ctx context.Context) (*view, error) {
	cfg, err := environment(ctx)
	if err != nil {
		return nil, err
	}
	v := &view{
		name: t.name, api: sfn.NewFromConfig(cfg),
		secrets: secretsmgr.New(secretsmanager.NewFromConfig(cfg)), registry: registry.New(scheduler.NewFromConfig(cfg), t.name),
	}
	v.machine, err = t.find(ctx, v.api)
	return v, err
}

// List implements [audit.Registry]. It lists one secret if only is set.
func (v *view) List(ctx context.Context) ([]registry.Entry, error) {
	entries, err := v.registry.List(ctx)
	if err != nil || v.only == "" {
		return entries, err
	}
	entries = slices.DeleteFunc(entries, func(e registry.Entry) bool { return !sameSecret(e.SecretID, v.only) })
	if len(entries) == 0 {
		return nil, notConfigured(v.name, v.only)
	}
	return entries, nil
}

func notConfigured(name, secret string) error {
	return fmt.Errorf("deployment %s rotates no secret %s. See those that it rotates with: tumbler list", name, secret)
}

// sameSecret compares names and ARNs.
func sameSecret(a, b string) bool { return config.SecretName(a) == config.SecretName(b) }

func (v *view) statuses(ctx context.Context) ([]audit.Status, error) {
	history := executions.New(v.api)
	statuses, err := audit.Auditor{Registry: v, Secrets: v.secrets, Executions: history, StateMachine: v.machine, Now: time.Now}.Run(ctx)
	if err != nil {
		if _, is := errors.AsType[*fault.Error](err); !is {
			return nil, err
		}
		return nil, explainFault("looking at the rotations", err)
	}
	if v.history, err = history.Outcomes(ctx, v.machine); err != nil {
		return nil, explainFault("looking at the last executions", err)
	}
	for i := range statuses {
		addOutcome(&statuses[i], v.of(statuses[i].Secret))
	}
	return statuses, nil
}

// of returns the executions for a secret.
func (v *view) of(secret string) (list []executions.Outcome) {
	for _, o := range v.history {
		if sameSecret(o.SecretID, secret) {
			list = append(list, o)
		}
	}
	return list
}

// addOutcome adds how rotations of the secret ended, and which wait for a window. A secret
// may have been refused although its labels are in order.
func addOutcome(s *audit.Status, history []executions.Outcome) {
	defer addWaiting(s, history)
	o := matters(history)
	if o == nil {
		return
	}
	s.LastOutcome, s.LastError, s.LastExecution, s.LastEnded = o.What, o.Error, o.Execution, new(o.EndedAt.UTC())
	ended := "the last rotation ended in " + o.What
	if o.Error != "" {
		ended += " with " + o.Error + ": " + o.Cause
	}
	switch {
	case s.State == audit.OK && !harmless(*o):
		s.State, s.Detail, s.Since = audit.Failed, ended, s.LastEnded
		if o.What == string(rotation.NeedsAttention) { // what it left was repaired by hand, or cannot be seen
			s.State = audit.Attention
		}
	case s.State == audit.Attention && o.What == string(rotation.RestoredCleanly): // the version keeps a label; AWSCURRENT logged in
		s.State, s.Detail = audit.Failed, ended+". AWSCURRENT logged in afterwards"
	case s.State == audit.Failed || s.State == audit.Attention:
		s.Detail += "; " + ended
	}
}

// addWaiting adds running executions that have not stored a version yet.
func addWaiting(s *audit.Status, history []executions.Outcome) {
	waiting := 0
	for _, o := range history {
		if o.Running && o.Execution != s.Detail { // Detail names the one that rotates
			waiting++
		}
	}
	text := "an execution waits for the rotation window, or has just begun"
	switch {
	case waiting == 0:
		return
	case waiting > 1:
		text = fmt.Sprintf("%d executions wait for the rotation window, or have just begun", waiting)
	}
	if s.State == audit.OK {
		s.State, s.Detail = audit.Waiting, text
	} else if s.State != audit.Rotating { // whose detail is an ARN
		s.Detail += "; " + text
	}
}

// settled are the endings after which it is known what the database accepts.
var settled = []string{string(rotation.Rotated), string(rotation.RestoredCleanly)}

// matters is the execution that determines the secret's state: the newest after which
// something is at risk or settled, or one that was refused since. One that gave way to
// another rotation or to the window says nothing about the secret, and is returned only if
// there is no other.
func matters(history []executions.Outcome) *executions.Outcome {
	var refused, harmlessOne *executions.Outcome
	for i := range history {
		o := &history[i]
		switch {
		case o.Running:
		case slices.Contains(settled, o.What):
			if refused != nil {
				return refused
			}
			return o
		case harmless(*o):
			harmlessOne = cmp.Or(harmlessOne, o)
		case o.What == string(rotation.Refused):
			refused = cmp.Or(refused, o)
		default: // NeedsAttention, or cut short
			return o
		}
	}
	return cmp.Or(refused, harmlessOne)
}

// harmless reports whether the outcome is no failure of the secret: another rotation was
// faster, the window was closed, or an event came too soon.
func harmless(o executions.Outcome) bool {
	switch o.What {
	case string(rotation.Rotated), string(rotation.AlreadyRotating), string(rotation.WindowClosed):
		return true
	case string(rotation.Refused):
		return o.Error == string(fault.TooSoon) || o.Error == string(fault.SecretChanged)
	}
	return false
}

// logIn has the function preflight log in, since it can reach the databases.
func (v *view) logIn(ctx context.Context, statuses []audit.Status) {
	var asked []*audit.Status
	var secrets []string
	for i := range statuses {
		if s := &statuses[i]; s.State != audit.Rotating { // during a rotation a refusal has no meaning
			asked, secrets = append(asked, s), append(secrets, s.Secret)
		}
	}
	preflightEach(ctx, v.name, secrets, func(i int, result rotation.PreflightResult, err error) { addLogin(asked[i], result, err) })
}

// addLogin adds the result of a login.
func addLogin(s *audit.Status, result rotation.PreflightResult, err error) {
	add := func(text string) {
		if s.Detail != "" {
			s.Detail += ". "
		}
		s.Detail += text
	}
	if err != nil {
		add("A login was not tried: " + err.Error())
		return
	}
	switch result.Login {
	case audit.LogsIn:
		s.Login = audit.LogsIn
		return
	case audit.Refused:
		s.Login = audit.Refused
		if s.State != audit.Attention {
			s.State, s.Since = audit.Attention, nil
		}
		add("AWSCURRENT is refused: " + sayCheck(result, "login"))
		return
	}
	add("A login was not tried: " + firstFailure(result))
}

// sayCheck is the text of a check.
func sayCheck(result rotation.PreflightResult, name string) string {
	for _, c := range result.Checks {
		if c.Name == name {
			return checkText(c)
		}
	}
	return "no reason was given"
}

func firstFailure(result rotation.PreflightResult) string {
	for _, c := range result.Checks {
		if !c.OK && !c.Skipped {
			return checkText(c)
		}
	}
	return sayCheck(result, "login")
}

func checkText(c rotation.Check) string {
	text := c.Message
	if c.Code != "" {
		text = string(c.Code) + ": " + text
	}
	if c.Hint != "" {
		text += ". " + c.Hint
	}
	return text
}

func writeStatuses(w io.Writer, statuses []audit.Status, login, asJSON bool) error {
	if asJSON {
		if statuses == nil {
			statuses = []audit.Status{}
		}
		return writeJSON(w, statuses)
	}
	header := []string{"SECRET", "STRATEGY", "LAST ROTATED", "NEXT WINDOW", "STATE", "LAST OUTCOME"}
	if login {
		header = append(header, "LOGIN")
	}
	var rows [][]string
	for _, s := range statuses {
		row := []string{s.Secret, string(s.Strategy), rotatedAt(s), nextWindow(s), string(s.State), orDash(s.LastOutcome)}
		if login {
			row = append(row, s.Login)
		}
		rows = append(rows, row)
	}
	out := terminal.New(w)
	out.Table(header, rows)
	for _, s := range statuses {
		if s.Detail != "" {
			out.Paragraph("%s: %s: %s", s.Secret, s.State, s.Detail)
		}
	}
	if !login && len(statuses) > 0 {
		out.Paragraph("Logins were not tried: add --login to have Tumbler's function log in with AWSCURRENT.")
	}
	return nil
}

func rotatedAt(s audit.Status) string {
	if s.LastRotated == nil {
		return "-"
	}
	return s.LastRotated.Format("2006-01-02 15:04")
}

func nextWindow(s audit.Status) string {
	if s.NextWindow == nil {
		return "any time"
	}
	return s.NextWindow.String()
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// version is one that a label is on.
type version struct {
	Label     string     `json:"label"`
	ID        string     `json:"versionId"`
	CreatedAt *time.Time `json:"createdAt,omitempty"`
}

// description is one secret in full.
type description struct {
	audit.Status
	Versions  []version `json:"versions"`
	Rotations []past    `json:"rotations"` // the latest first
	WhatToDo  string    `json:"whatToDo"`
}

// described is how many rotations a description names.
const described = 5

func (v *view) describe(ctx context.Context, w io.Writer, s audit.Status, asJSON bool) error {
	d := description{Status: s, Versions: v.versions(ctx, s), Rotations: pasts(v.of(s.Secret)), WhatToDo: whatToDo(s)}
	d.Rotations = d.Rotations[:min(len(d.Rotations), described)]
	if asJSON {
		return writeJSON(w, d)
	}
	out := terminal.New(w)
	out.Heading("%s", s.Secret)
	out.Fact("State", "%s", s.State)
	if s.Detail != "" {
		out.Fact("Why", "%s", s.Detail)
	}
	out.Fact("Login with AWSCURRENT", "%s", s.Login)
	out.Fact("Strategy", "%s", orDash(string(s.Strategy)))
	switch {
	case s.LastRotated != nil:
		out.Fact("Last rotated", "%s UTC", rotatedAt(s))
	case s.StoredAt != nil:
		out.Fact("Last rotated", "not known: AWSCURRENT was stored by hand, %s UTC", s.StoredAt.Format("2006-01-02 15:04"))
	}
	out.Fact("Next window", "%s", nextWindow(s))
	if s.Missed > 0 {
		out.Fact("Windows missed", "%d", s.Missed)
	}
	out.Fact("What to do", "%s", d.WhatToDo)
	if len(d.Versions) > 0 {
		out.Heading("Labels")
		for _, one := range d.Versions {
			made := ""
			if one.CreatedAt != nil {
				made = "  " + one.CreatedAt.Format("2006-01-02 15:04")
			}
			out.Say("%-20s %s%s", one.Label, one.ID, made)
		}
	}
	writePasts(out, d.Rotations)
	return nil
}

func (v *view) versions(ctx context.Context, s audit.Status) (list []version) {
	secret, err := v.secrets.Describe(ctx, s.Secret)
	if err != nil {
		return nil // the state says so
	}
	for label, id := range secret.Labels {
		one := version{Label: label, ID: id}
		if at, err := v.secrets.CreatedAt(ctx, secret.ARN, id); err == nil && !at.IsZero() {
			one.CreatedAt = aws.Time(at.UTC())
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b version) int { return strings.Compare(a.Label, b.Label) })
	return list
}

func whatToDo(s audit.Status) string {
	rotate := "tumbler rotate " + s.Secret
	switch s.State {
	case audit.OK, audit.Waiting:
		return "nothing"
	case audit.Rotating:
		if strings.HasPrefix(s.Detail, "arn:") {
			return "watch it: tumbler watch " + s.Detail
		}
		return "nothing: Secrets Manager rotates it"
	case audit.Missing:
		return "restore the secret, or remove its rotation from rotations.yaml"
	case audit.Unknown:
		return "see why above: tumbler explain has a page for each error"
	case audit.Failed:
		about := ""
		if s.LastError != "" {
			about = " (tumbler explain " + s.LastError + ")"
		}
		return "remove the cause" + about + ", then: " + rotate
	}
	return rotate + " --outside-window, which tries every password that the secret has. If it fails: tumbler explain my-application-cannot-log-in-now"
}

// verdict returns an error when somebody has to act.
func verdict(statuses []audit.Status, login bool) error {
	bad := 0
	for _, s := range statuses {
		untried := login && s.Login != audit.LogsIn && s.State != audit.Rotating
		if s.State.Finding() || s.State == audit.Failed || s.State == audit.Attention || untried {
			bad++
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d rotations need a look", bad, len(statuses))
	}
	return nil
}
