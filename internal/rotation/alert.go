package rotation

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/runbook"
)

// headlines are the alert's first words.
var headlines = map[Outcome]string{
	AlreadyRotating: "already rotating",
	WindowClosed:    "not rotated, window closed",
	Refused:         "not rotated",
	RestoredCleanly: "rotation failed, applications unaffected",
	NeedsAttention:  "NEEDS ATTENTION",
	CutShort:        "rotation cut short",
	NotStarted:      "rotation not started",
}

const headlineRestored = "rotation failed, AWSCURRENT logs in again"

// subject is an alert's subject within SNS's limits: printable ASCII, below 100 characters.
func subject(headline, secret string) string {
	text := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, "Tumbler: "+headline+": "+secret)
	if len(text) > 99 {
		text = text[:96] + "..."
	}
	return text
}

// lines writes the labelled lines of an alert.
type lines struct{ strings.Builder }

// add writes a line, unless text is empty.
func (l *lines) add(label, text string) {
	if text != "" {
		fmt.Fprintf(l, "%-15s %s\n", label+":", text)
	}
}

// alert is the message to the person on call: what happened, whether
// applications are affected and since when, what was done, and what to do next.
func (r run) alert(e Ending, did string) string {
	var l lines
	l.WriteString(effect(e.Outcome, e.Event.Applications) + "\n\n")
	l.add("Severity", e.Severity)
	l.add("Secret", e.Secret)
	l.add("Applications", applicationsText(e.Event.Applications, e.Error))
	l.add("Refused", r.refused)
	if r.reset {
		l.add("Superuser", "has reset a password, or may have, as configured")
	}
	l.add("Failed step", r.step)
	l.add("Error", e.Error)
	l.add("Cause", e.Cause)
	if e.Outcome == CutShort {
		l.add("Left behind", did)
	} else {
		l.add("Tumbler did", did)
	}
	l.add("What to do", cmp.Or(r.advice, advice[e.Outcome]))
	l.add("Advice", strings.Join(e.Event.Advice, ". "))
	l.add("Explained", explained(e.Error))
	if e.Outcome == NeedsAttention && e.Event.Applications == atRisk {
		l.add("Runbook", r.runbookLine(cannotLogIn))
	} else {
		l.add("Runbook", r.runbookLine(e.Error))
	}
	l.add("Asked for by", r.request.Trigger.words())
	l.add("Since", r.since())
	l.add("Execution", r.execution.ARN)
	l.add("Console", consoleLink(r.execution.ARN))
	if e.Outcome != AlreadyRotating {
		l.add("Rotate again", r.rotateCommand(e.Secret))
	}
	if e.Outcome == CutShort {
		l.add("Or redrive", "aws stepfunctions redrive-execution --execution-arn "+r.execution.ARN)
	}
	return l.String()
}

// giveUp is the alert that the state machine sends when Restore itself fails. The state
// machine adds the errors, which are not known when Plan writes it.
func (r run) giveUp() string {
	var l lines
	kept := " Every label was kept: AWSPENDING may be the only password that works."
	if r.plan.Applications == notChanged {
		kept = " No step of it had run."
	}
	l.WriteString("The rotation failed, and so did finding out which password the database accepts." + kept + "\n\n")
	l.add("Severity", severityCritical)
	l.add("Secret", r.plan.SecretARN)
	l.add("Applications", applicationTexts[r.plan.Applications])
	l.add("What to do", advice[NeedsAttention])
	l.add("Runbook", r.runbookLine(cannotLogIn))
	l.add("Asked for by", r.request.Trigger.words())
	l.add("Since", stamp(r.execution.StartedAt)+" at the earliest")
	l.add("Execution", r.execution.ARN)
	l.add("Console", consoleLink(r.execution.ARN))
	l.add("Rotate again", r.rotateCommand(r.plan.SecretARN))
	return l.String()
}

// cannotLogIn is the runbook's section for the worst case.
const cannotLogIn = "my-application-cannot-log-in-now"

// explained is the runbook's text about an error, so that the person on call has it in the
// alert.
func explained(code string) string {
	s, _ := runbook.Find(code)
	return s.Line()
}

// runbookLine refers to the runbook's section about an error.
func (r run) runbookLine(about string) string {
	command := "tumbler explain " + about
	if r.runbook == "" {
		return command
	}
	return strings.TrimRight(r.runbook, "/#") + "#" + runbook.Anchor(about) + " or " + command
}

// since is the time from which applications may have been affected.
func (r run) since() string {
	if r.execution.StartedAt.IsZero() {
		return stamp(r.now)
	}
	return fmt.Sprintf("%s (started), %s (ended)", stamp(r.execution.StartedAt), stamp(r.now))
}

// rotateCommand is the command that rotates a secret. It names the deployment unless that
// is the CLI's default; the state machine of a deployment is called NAME-rotation.
func (r run) rotateCommand(secret string) string {
	command := "tumbler rotate " + secret
	parts := strings.Split(r.execution.ARN, ":")
	if len(parts) < 8 {
		return command
	}
	name, ok := strings.CutSuffix(parts[6], "-rotation")
	switch {
	case !ok:
		parts[5] = "stateMachine"
		return command + " --state-machine " + strings.Join(parts[:7], ":")
	case name != "tumbler":
		return command + " --name " + name
	}
	return command
}

// effect is the alert's first line: what the outcome means.
func effect(outcome Outcome, affected string) string {
	if outcome == RestoredCleanly && affected == restored {
		return "The rotation failed and was undone. AWSCURRENT logs in again; it was refused for a time, or may have been."
	}
	if outcome == NeedsAttention && affected == notChanged {
		return "The rotation failed before it had gone to the database, and AWS did not answer when it was to be undone."
	}
	return effects[outcome]
}

var effects = map[Outcome]string{
	AlreadyRotating: "This rotation stepped back for another one and changed nothing.",
	WindowClosed:    "The secret was not rotated: its rotation window is closed.",
	Refused:         "The secret was not rotated: it cannot be as it stands. Nothing that applications use was changed.",
	RestoredCleanly: "The rotation failed and was undone. AWSCURRENT logs in: applications are unaffected.",
	NeedsAttention:  "The rotation failed and AWSCURRENT may not log in: applications may be unable to connect.",
	CutShort:        "The rotation was cut short: it neither finished nor put things right.",
	NotStarted:      "A rotation was due and could not be started. Nothing was changed.",
}

var advice = map[Outcome]string{
	AlreadyRotating: "nothing; the other execution reports for itself.",
	WindowClosed:    "wait for the next window, or rotate now: add --outside-window to the command below.",
	Refused:         "remove the cause, then rotate again.",
	RestoredCleanly: "remove the cause, then rotate again.",
	NeedsAttention:  "remove the cause, then rotate again: the next run tries AWSCURRENT, AWSPENDING and AWSPREVIOUS and repairs the secret. Delete no version until then.",
	NotStarted:      "remove the cause, then rotate by hand: a schedule does not make up for what it missed.",
}

// tellSuccess has a success alerted if it settles an earlier alert, if the superuser has
// reset a password, or if the secret names another host than before.
func (r run) tellSuccess(e *Ending, recovered bool) {
	settles := r.plan.settles() || r.redriven
	if !settles && !recovered && !r.moved {
		return
	}
	e.Alert, e.Event.Healed, e.Event.Recovered = true, settles, recovered
	e.Error = "none" // SNS refuses an empty attribute
	var l lines
	headline, what, todo := "healed", "An earlier rotation of this secret had not finished. This one succeeded and left nothing over: AWSCURRENT logs in.",
		"nothing; what was alerted before about this secret is settled."
	if r.redriven {
		what = "This rotation had been cut short. Redriven, it succeeded and left nothing over: AWSCURRENT logs in."
	}
	if r.moved {
		e.Severity = severityWarning
		headline = "rotated, on another host than before"
		what = "The secret names another host or port than its version before. It was rotated there: AWSCURRENT logs in."
		todo = "nothing, if somebody has moved the database. Otherwise find out who changed the secret."
	}
	if recovered {
		e.Severity = severityWarning
		headline = "rotated, after the superuser reset a password"
		what = "The database refused AWSCURRENT. The superuser has reset the password, as configured, and the secret was rotated: AWSCURRENT logs in."
		todo = "find out who changed the password in the database or the value of the secret."
	}
	e.Subject = subject(headline, cmp.Or(r.plan.SecretName, e.Secret))
	l.WriteString(what + "\n\n")
	l.add("Severity", e.Severity)
	l.add("Secret", e.Secret)
	l.add("Applications", applicationTexts[e.Event.Applications])
	l.add("What to do", todo)
	l.add("Old password in", strings.Join(e.Event.StaleKeys, ", "))
	l.add("Advice", strings.Join(e.Event.Advice, ". "))
	l.add("Asked for by", r.request.Trigger.words())
	l.add("Rotated at", stamp(r.now))
	l.add("Execution", r.execution.ARN)
	l.add("Console", consoleLink(r.execution.ARN))
	e.Message = l.String()
}

// consoles are the hosts of the AWS console by partition. Sources: AWS Management
// Console user guide; "Amazon Web Services in China" and "AWS GovCloud (US)" user
// guides.
var consoles = map[string]string{
	"aws":        "console.aws.amazon.com",
	"aws-cn":     "console.amazonaws.cn",
	"aws-us-gov": "console.amazonaws-us-gov.com",
}

// consoleLink is the execution's page in the AWS console, or "" in partitions whose
// console is not known. In the sandbox the account in it does not exist.
func consoleLink(executionARN string) string {
	parts := strings.Split(executionARN, ":")
	if len(parts) != 8 || consoles[parts[1]] == "" {
		return ""
	}
	region := parts[3]
	return "https://" + region + "." + consoles[parts[1]] + "/states/home?region=" + region +
		"#/v2/executions/details/" + url.PathEscape(executionARN)
}
