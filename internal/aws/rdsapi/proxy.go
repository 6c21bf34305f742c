package rdsapi

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
)

// Proxy is an RDS Proxy. Passwords are changed in the database behind it. A user can log in
// through it only if a secret of the user is registered with it (Amazon RDS user guide,
// "Setting up database credentials for RDS Proxy").
type Proxy struct {
	Name string
	ARN  string

	// Database is the address for changes: the cluster's writer endpoint or the instance.
	// Zero when the proxy has no target.
	Database Endpoint

	// Secrets are the ARNs of the registered secrets.
	Secrets []string
}

// Registered reports whether a secret may be used through the proxy. Proxies
// whose users come from IAM list none.
func (p Proxy) Registered(secretARN string) bool { return slices.Contains(p.Secrets, secretARN) }

// IsProxy returns the proxy with the endpoint host, or nil. It makes a call only for names
// of the forms NAME.proxy-ID.REGION.rds.amazonaws.com and NAME.endpoint.proxy-ID...
func (r Resolver) IsProxy(ctx context.Context, host string) (*Proxy, error) {
	parts := strings.Split(strings.ToLower(host), ".")
	if !slices.ContainsFunc(parts, func(part string) bool { return strings.HasPrefix(part, kindProxy) }) {
		return nil, nil
	}
	found, err := r.findProxy(ctx, host, len(parts) > 1 && parts[1] == "endpoint")
	if err != nil || found == nil {
		return nil, err
	}
	p := &Proxy{Name: aws.ToString(found.DBProxyName), ARN: aws.ToString(found.DBProxyArn)}
	for _, auth := range found.Auth {
		if arn := aws.ToString(auth.SecretArn); arn != "" {
			p.Secrets = append(p.Secrets, arn)
		}
	}
	p.Database, err = r.behind(ctx, p.Name)
	return p, err
}

// findProxy looks for the proxy by its own endpoint, or by an additional one.
func (r Resolver) findProxy(ctx context.Context, host string, additional bool) (*types.DBProxy, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	owner := ""
	if additional {
		for pages := rds.NewDescribeDBProxyEndpointsPaginator(r.RDS(), &rds.DescribeDBProxyEndpointsInput{}); pages.HasMorePages(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, classify(err, "rds", "DescribeDBProxyEndpoints")
			}
			for _, e := range page.DBProxyEndpoints {
				if strings.EqualFold(aws.ToString(e.Endpoint), host) {
					owner = aws.ToString(e.DBProxyName)
				}
			}
		}
	}
	for pages := rds.NewDescribeDBProxiesPaginator(r.RDS(), &rds.DescribeDBProxiesInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, classify(err, "rds", "DescribeDBProxies")
		}
		for _, p := range page.DBProxies {
			if strings.EqualFold(aws.ToString(p.Endpoint), host) || owner != "" && aws.ToString(p.DBProxyName) == owner {
				return &p, nil
			}
		}
	}
	return nil, nil
}

// behind finds the database of a proxy.
func (r Resolver) behind(ctx context.Context, name string) (Endpoint, error) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var instance string
	for pages := rds.NewDescribeDBProxyTargetsPaginator(r.RDS(), &rds.DescribeDBProxyTargetsInput{DBProxyName: &name}); pages.HasMorePages(); {
		page, err := pages.NextPage(call)
		if err != nil {
			return Endpoint{}, classify(err, "rds", "DescribeDBProxyTargets")
		}
		for _, t := range page.Targets {
			switch {
			case t.Type == types.TargetTypeTrackedCluster:
				return r.clusterEndpoint(ctx, aws.ToString(t.RdsResourceId))
			case aws.ToString(t.TrackedClusterId) != "":
				return r.clusterEndpoint(ctx, aws.ToString(t.TrackedClusterId))
			}
			instance = aws.ToString(t.RdsResourceId)
		}
	}
	if instance == "" {
		return Endpoint{}, nil
	}
	return r.instanceEndpoint(ctx, instance)
}
