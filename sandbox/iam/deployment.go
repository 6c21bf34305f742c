// Package iam decides in the sandbox what the deployed functions and state machines
// may do, by the policies that a deployment really has: policies.json is taken from
// the synthesised template by a test of the CDK app, which keeps it true.
//
// It evaluates what those policies use (identity policies, trust policies, resource
// policies, and the policies of VPC endpoints) and refuses to start with anything
// else. Not evaluated are permissions boundaries, organizations' policies, session
// policies and tags.
package iam

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
)

//go:embed policies.json
var policies []byte

// The deployments in policies.json: functions that reach AWS by themselves, and
// functions in a VPC whose only way to AWS are the deployment's own endpoints.
const (
	Open   = "open"
	Closed = "closed"
)

// Operator is the role of who runs the command tumbler.
const Operator = "operator"

// The secrets of the synthesised configuration. They stand for any number of
// secrets, see [Deployment.Secrets].
const (
	RotatedSecret   = "sandbox/rotated"
	ByFunction      = "sandbox/by-function"
	SuperuserSecret = "sandbox/superuser"
)

// Where policies.json was made for.
const (
	Account = "123456789012"
	Region  = "us-east-1"
)

// Deployment is all policies of one deployment.
type Deployment struct {
	Roles map[string]Role `json:"roles"` // by what has the role, such as plan, or rotation for the state machine
	// Resources are resource policies by the ARN of the resource.
	Resources map[string]Document `json:"resources"`
	// Callers are the services that may invoke functions.
	Callers []Caller `json:"callers"`
	// Endpoints are the policies of VPC endpoints by service; InVPC lists the
	// functions that have no other way to AWS.
	Endpoints map[string]Document `json:"endpoints,omitempty"`
	InVPC     []string            `json:"inVpc,omitempty"`
	// Key encrypts the topic.
	Topic string `json:"topic"`
	Key   string `json:"key"`

	// Secrets and Superusers are names, with wildcards, that take the place of
	// those in the synthesised configuration. Empty: every secret.
	Secrets, Superusers []string `json:"-"`
	// Used is told of what each decision rests on. Optional.
	Used func(Use) `json:"-"`
}

// Role is what a function or a state machine runs as.
type Role struct {
	Name     string     `json:"name"`
	Trust    Document   `json:"trust"`
	Policies []Document `json:"policies"`
}

// Caller is a service that may invoke a function (Lambda API reference,
// "AddPermission").
type Caller struct {
	Function      string `json:"function"`
	Principal     string `json:"principal"`
	SourceAccount string `json:"sourceAccount"`
	SourceArn     string `json:"sourceArn,omitempty"`
}

// Use is a part of a policy that allowed something: an action or a resource of a
// statement.
type Use struct {
	Role             string // "" for other policies
	Statement        string // the policy's name and the statement's actions
	Action, Resource string
}

// Load returns one of the deployments.
func Load(name string) (*Deployment, error) {
	var all map[string]*Deployment
	if err := strictly(policies, &all); err != nil {
		return nil, fmt.Errorf("policies.json: %w", err)
	}
	d, ok := all[name]
	if !ok {
		return nil, fmt.Errorf("policies.json has no deployment %s", name)
	}
	for where, document := range d.documents() {
		if err := document.check(); err != nil {
			return nil, fmt.Errorf("policies.json: %s: %w", where, err)
		}
	}
	return d, nil
}

func (d *Deployment) documents() map[string]Document {
	all := map[string]Document{}
	for name, role := range d.Roles {
		all[name+" trust"] = role.Trust
		for i, p := range role.Policies {
			all[fmt.Sprintf("%s %d", name, i)] = p
		}
	}
	maps.Copy(all, d.Resources)
	for service, p := range d.Endpoints {
		all["endpoint "+service] = p
	}
	return all
}

// Grants lists everything that the policies allow: each action and each resource of
// each statement, as [Deployment.Used] reports it.
func (d *Deployment) Grants() (list []Use) {
	add := func(role, policy string, document Document) {
		for _, s := range document.Statement {
			if s.Effect != "Allow" {
				continue
			}
			for _, action := range s.Action {
				list = append(list, s.use(role, policy, action, ""))
			}
			for _, resource := range s.Resource {
				if !strings.Contains(resource, ":secret:"+ByFunction) { // the same secrets again
					list = append(list, s.use(role, policy, "", resource))
				}
			}
		}
	}
	for name, role := range d.Roles {
		for _, p := range role.Policies {
			add(name, "", p)
		}
		add("", name+" trust", role.Trust)
	}
	for arn, p := range d.Resources {
		add("", arn, p)
	}
	for service, p := range d.Endpoints {
		add("", "endpoint "+service, p)
	}
	for _, c := range d.Callers {
		list = append(list, c.use())
	}
	slices.SortFunc(list, func(a, b Use) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(list)
}

func (s Statement) use(role, policy, action, resource string) Use {
	return Use{role, policy + "[" + strings.Join(s.Action, " ") + "]", action, resource}
}

func (u Use) String() string {
	return strings.TrimSpace(strings.TrimSpace(u.Role+" "+u.Statement) + ": " + u.Action + u.Resource)
}

func (c Caller) use() Use { return Use{Statement: c.Function + " invoked by", Action: c.Principal} }

// Without returns the deployment less one action of one role.
func (d *Deployment) Without(role, action string) *Deployment {
	less := *d
	less.Roles = maps.Clone(d.Roles)
	r := less.Roles[role]
	var kept []Document
	for _, p := range r.Policies {
		p.Statement = slices.Clone(p.Statement)
		for i := range p.Statement {
			if p.Statement[i].Effect == "Allow" {
				p.Statement[i].Action = slices.DeleteFunc(slices.Clone(p.Statement[i].Action), func(a string) bool { return a == action })
			}
		}
		kept = append(kept, p)
	}
	r.Policies = kept
	less.Roles[role] = r
	return &less
}
