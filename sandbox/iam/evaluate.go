package iam

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// Request is what IAM is asked.
type Request struct {
	Action, Resource string
	Context          map[string]string // by condition key
}

// decision is why something is allowed or not.
type decision int

const (
	implicit decision = iota // nothing allows it
	allowed
	denied // a statement says no
)

// decide looks through policies of one kind. A denial wins.
func (d *Deployment) decide(role, policy string, documents []Document, principal Principal, r Request) decision {
	result := implicit
	for _, document := range documents {
		for _, s := range document.Statement {
			action, resource, ok := d.matches(s, principal, r)
			switch {
			case !ok:
			case s.Effect == "Deny":
				return denied
			case result == implicit:
				result = allowed
				d.used(s.use(role, policy, action, ""))
				if resource != "" {
					d.used(s.use(role, policy, "", resource))
				}
			}
		}
	}
	return result
}

func (d *Deployment) used(u Use) {
	if d.Used != nil {
		d.Used(u)
	}
}

// matches returns the action and the resource of the statement that fit.
func (d *Deployment) matches(s Statement, principal Principal, r Request) (action, resource string, ok bool) {
	if !s.Principal.covers(principal) {
		return "", "", false
	}
	i := slices.IndexFunc(s.Action, func(a string) bool { return like(strings.ToLower(a), strings.ToLower(r.Action)) })
	if i < 0 {
		return "", "", false
	}
	if len(s.Resource) > 0 {
		j := slices.IndexFunc(s.Resource, func(pattern string) bool { return d.any(likeARN, pattern, r.Resource) })
		if j < 0 {
			return "", "", false
		}
		resource = s.Resource[j]
	}
	for operator, conditions := range s.Condition {
		for key, values := range conditions {
			value, given := r.Context[key]
			// A key that a request does not have matches nothing.
			if !given || !slices.ContainsFunc(values, func(pattern string) bool { return d.any(operators[operator], pattern, value) }) {
				return "", "", false
			}
		}
	}
	return s.Action[i], resource, true
}

// covers: a role's own policy has no principal, and asks for none.
func (p Principal) covers(who Principal) bool {
	if len(p.AWS) == 0 && len(p.Service) == 0 {
		return true
	}
	for _, service := range who.Service {
		if slices.Contains(p.Service, service) {
			return true
		}
	}
	for _, arn := range who.AWS {
		if slices.Contains(p.AWS, arn) || slices.Contains(p.AWS, "*") {
			return true
		}
	}
	return false
}

// any compares with each secret that a pattern stands for.
func (d *Deployment) any(match func(pattern, value string) bool, pattern, value string) bool {
	for stand, names := range map[string][]string{RotatedSecret: d.Secrets, ByFunction: d.Secrets, SuperuserSecret: d.Superusers} {
		before, after, ok := strings.Cut(pattern, ":secret:"+stand+"-")
		if !ok {
			continue
		}
		if len(names) == 0 {
			return match(before+":secret:*", value)
		}
		return slices.ContainsFunc(names, func(name string) bool { return match(before+":secret:"+name+"-"+after, value) })
	}
	return match(pattern, value)
}

var account = Principal{AWS: Strings{"arn:aws:iam::" + Account + ":root"}}

// May reports whether a role may do all of this; the error is AWS's.
func (d *Deployment) May(role string, requests ...Request) *wire.Error {
	for _, r := range requests {
		if err := d.may(role, r); err != nil {
			return err
		}
	}
	return nil
}

func (d *Deployment) may(role string, r Request) *wire.Error {
	r.Context = with(r.Context, "aws:PrincipalAccount", Account, "aws:SecureTransport", "true")
	no := func(kind string, why decision) *wire.Error {
		because := fmt.Sprintf("because no %s policy allows the %s action", kind, r.Action)
		if why == denied {
			because = fmt.Sprintf("with an explicit deny in a%s %s policy", map[bool]string{true: "n"}[kind[0] == 'i'], kind)
		}
		return &wire.Error{Code: "AccessDeniedException", Status: http.StatusForbidden, Message: fmt.Sprintf(
			"User: arn:aws:sts::%s:assumed-role/%s/%s is not authorized to perform: %s on resource: %s %s",
			Account, d.Roles[role].Name, role, r.Action, r.Resource, because)}
	}
	service, _, _ := strings.Cut(r.Action, ":")
	if slices.Contains(d.InVPC, role) && service != "kms" {
		// KMS is asked by Secrets Manager, not through an endpoint.
		if why := d.decide("", "endpoint "+service, []Document{d.Endpoints[service]}, Principal{AWS: Strings{"*"}}, r); why != allowed {
			return no("VPC endpoint", why)
		}
	}
	if why := d.decide(role, "", d.Roles[role].Policies, Principal{}, r); why != allowed {
		return no("identity-based", why)
	}
	policy, has := d.Resources[r.Resource]
	if !has {
		return nil
	}
	// A key's policy has to admit the account; other resources of the same account
	// need a policy only to deny.
	if why := d.decide("", r.Resource, []Document{policy}, account, r); why == denied || why == implicit && service == "kms" {
		return no("resource-based", why)
	}
	return nil
}

// Assume reports whether a service may act as a role.
func (d *Deployment) Assume(role, service, source string) *wire.Error {
	r := Request{Action: "sts:AssumeRole", Context: map[string]string{"aws:SourceAccount": Account, "aws:SourceArn": source}}
	if d.decide("", role+" trust", []Document{d.Roles[role].Trust}, Principal{Service: Strings{service}}, r) == allowed {
		return nil
	}
	return &wire.Error{Code: "AccessDeniedException", Status: http.StatusForbidden, Message: fmt.Sprintf("%s is not authorized to assume the provided role", service)}
}

// ServiceMay reports whether a service may act by itself on a resource that has a
// policy.
func (d *Deployment) ServiceMay(service, source string, r Request) *wire.Error {
	r.Context = with(r.Context, "aws:SourceAccount", Account, "aws:SourceArn", source, "aws:SecureTransport", "true")
	if d.decide("", r.Resource, []Document{d.Resources[r.Resource]}, Principal{Service: Strings{service}}, r) == allowed {
		return nil
	}
	return &wire.Error{Code: "AccessDeniedException", Status: http.StatusForbidden, Message: fmt.Sprintf(
		"%s is not authorized to perform: %s on resource: %s because no resource-based policy allows the %s action", service, r.Action, r.Resource, r.Action)}
}

// ServiceInvokes reports whether a service may invoke a function.
func (d *Deployment) ServiceInvokes(function, service, source string) *wire.Error {
	for _, c := range d.Callers {
		if c.Function == function && c.Principal == service && c.SourceAccount == Account && (c.SourceArn == "" || d.any(likeARN, c.SourceArn, source)) {
			d.used(c.use())
			return nil
		}
	}
	return &wire.Error{Code: "AccessDeniedException", Status: http.StatusForbidden, Message: fmt.Sprintf(
		"%s is not authorized to perform: lambda:InvokeFunction on resource: %s because no resource-based policy allows the lambda:InvokeFunction action", service, function)}
}

func with(context map[string]string, pairs ...string) map[string]string {
	all := map[string]string{}
	for key, value := range context {
		all[key] = value
	}
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i]] = pairs[i+1]
	}
	return all
}
