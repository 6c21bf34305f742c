package rotation

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// Preflight reports whether a rotation would succeed, and what it would change. It changes
// neither the secret nor the database: it has no permission to write, and runs only
// statements that read.
//
// It uses the code of the steps. It logs in once with AWSCURRENT, and once as the
// superuser if there is one; with other versions only if AWSCURRENT is refused, as the
// rotation would.
type Preflight struct {
	Secrets interface {
		SecretReader
		VersionDater
	}
	Executions Executions
	Registry   Registry                     // has the configuration; nil: every request is complete by itself
	Open       func(secretName string) bool // as in [Plan]. Optional.
	Databases  Databases
	Servers    Servers
	Proxies    Proxies // nil: hosts are not looked up

	Region          string
	RotatorARN      string   // Tumbler's own native rotation function. Optional.
	Functions       []string // ARNs of the rotation functions that a request may name
	StateMachineARN string   // whose executions may be rotating the secret. Optional.
	Now             func() time.Time
}

// Proxies looks up RDS proxies.
type Proxies interface {
	// Proxy returns the RDS proxy with this host, or nil if the host is none.
	Proxy(ctx context.Context, host, secretARN string) (*Proxy, error)
}

// Proxy is an RDS Proxy.
type Proxy struct {
	Name       string
	Database   string // host and port of its target; "" without a target
	Registered bool   // the secret is registered with it
}

// PreflightInput asks for a preflight of a request.
type PreflightInput struct {
	Request json.RawMessage `json:"request"`
}

// PreflightResult is what a preflight found. It holds no secret.
type PreflightResult struct {
	SecretARN   string   `json:"secretArn,omitempty"`
	SecretName  string   `json:"secretName,omitempty"`
	Strategy    Strategy `json:"strategy,omitempty"`
	WouldRotate bool     `json:"wouldRotate"`
	Login       string   `json:"login,omitempty"` // result of the login with AWSCURRENT: "logs in", "refused", or "" if it was not tried
	Summary     string   `json:"summary"`         // a sentence
	Checks      []Check  `json:"checks"`
	Changes     []string `json:"changes,omitempty"` // what the rotation would change, as far as that can be determined
}

// Check is the result of one check.
type Check struct {
	Name string `json:"check"`
	OK   bool   `json:"ok"`

	// Skipped means that nothing was checked, for the reason in Message. OK is then false,
	// but the check does not count as failed.
	Skipped bool `json:"skipped,omitempty"`

	Code    fault.Code `json:"code,omitempty"` // with which the rotation would end
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"` // remedy; with OK: something worth knowing
}

// Run runs all checks. What is wrong with a secret is part of the result; an error is
// returned only for invalid input.
func (p Preflight) Run(ctx context.Context, in PreflightInput) (PreflightResult, error) {
	if len(in.Request) == 0 {
		return PreflightResult{}, invalidRequest("the payload has no field request", `Send {"request":{"secretId":"..."}}`)
	}
	f := &inspection{
		Preflight: p, raw: in.Request, at: p.Now(), known: map[string]bool{},
		attempt: attempt{secrets: p.Secrets, servers: p.Servers, now: p.Now},
	}
	defer f.close()
	for _, c := range checks {
		f.result.Checks = append(f.result.Checks, f.check(ctx, c))
	}
	f.summarize()
	f.result.Login = f.login()
	return f.result, nil
}

func (f *inspection) login() string {
	switch {
	case !f.tried:
		return ""
	case f.refusal == nil:
		return "logs in"
	case fault.Is(f.refusal, fault.LoginRefused, fault.AccountDisabled, fault.PasswordExpired):
		return "refused"
	}
	return ""
}

// The checks, in the order of a rotation. Each names the checks whose results it needs.
var checks = []check{
	{"request", nil, (*inspection).checkRequest},
	{"secret", []string{"request"}, (*inspection).checkSecret},
	{"configuration", []string{"secret"}, (*inspection).checkConfiguration},
	{"credentials", []string{"secret"}, (*inspection).checkCredentials},
	{"engine", []string{"configuration", "credentials"}, (*inspection).checkEngine},
	{"window", []string{"configuration"}, (*inspection).checkWindow},
	{"other rotations", []string{"configuration"}, (*inspection).checkOthers},
	{"user names", []string{"configuration", "credentials"}, (*inspection).checkNames},
	{"password policy", []string{"configuration", "credentials"}, (*inspection).checkPolicy},
	{"network", []string{"engine"}, (*inspection).checkNetwork},
	{"TLS", []string{"network"}, (*inspection).checkTLS},
	{"login", []string{"TLS", "user names"}, (*inspection).checkLogin},
	{"superuser", []string{"engine", "user names"}, (*inspection).checkSuperuser},
	{"privileges", []string{"login", "superuser"}, (*inspection).checkPrivileges},
	{"proxy", []string{"configuration", "credentials"}, (*inspection).checkProxy},
}

type check struct {
	name  string
	needs []string
	run   func(*inspection, context.Context) (finding, error)
}

// finding is the result of a check that found no fault.
type finding struct {
	message, hint string
	skipped       bool
}

func skip(format string, args ...any) (finding, error) {
	return finding{message: fmt.Sprintf(format, args...), skipped: true}, nil
}

func found(format string, args ...any) (finding, error) {
	return finding{message: fmt.Sprintf(format, args...)}, nil
}

// inspection is the state of one run.
type inspection struct {
	Preflight
	attempt
	raw   json.RawMessage
	at    time.Time
	known map[string]bool // the checks whose results others may use

	secret  Metadata
	request Request
	users   pair           // of alternating users
	left    redact.String  // the password that a dead rotation left
	tried   bool           // a login with AWSCURRENT was tried
	refusal error          // of that login
	session engine.Session // of the user; nil when the superuser has to reset its password
	admin   engine.Session // of the superuser; nil when none is needed

	result PreflightResult
}

func (f *inspection) close() {
	for _, session := range []engine.Session{f.session, f.admin} {
		if session != nil {
			session.Close()
		}
	}
}

func (f *inspection) check(ctx context.Context, c check) Check {
	for _, need := range c.needs {
		if !f.known[need] {
			return Check{Name: c.name, Skipped: true, Message: "not checked, because it needs what " + need + " is about"}
		}
	}
	got, err := c.run(f, ctx)
	if err != nil {
		why := fault.From(err)
		return Check{Name: c.name, Code: why.Code, Message: why.Op, Hint: why.Hint}
	}
	f.known[c.name] = true
	return Check{Name: c.name, OK: !got.skipped, Skipped: got.skipped, Message: got.message, Hint: got.hint}
}

// summarize writes the summary.
func (f *inspection) summarize() {
	failed, skipped := []string{}, 0
	for _, c := range f.result.Checks {
		if !c.OK && !c.Skipped {
			failed = append(failed, c.Name)
		} else if c.Skipped {
			skipped++
		}
	}
	f.result.WouldRotate = len(failed) == 0
	switch {
	case len(failed) > 0:
		f.result.Summary = "Would not rotate: see " + strings.Join(failed, ", ") + "."
		f.result.Changes = nil // the rotation would not get that far
		return
	case skipped > 0:
		f.result.Summary = fmt.Sprintf("Would rotate, as far as it can be told: %d of %d checks were not made.", skipped, len(f.result.Checks))
	default:
		f.result.Summary = "Would rotate."
	}
	account, _ := target(f.plan, f.current) // cannot fail: checkNames has succeeded
	f.result.Changes = slices.Concat([]string{
		fmt.Sprintf("the password of user %q on %s:%d", account.Username, f.current.Host, f.current.Port),
		"AWSCURRENT moves from version " + f.plan.CurrentVersionID + " to a new one, and AWSPREVIOUS to that",
	}, f.result.Changes)
}
