// Package rdsapi asks the RDS and Redshift APIs what a secret does not say: the address of
// the database of a superuser's secret that AWS manages, whether two hosts are the same
// database, and which database is behind an RDS Proxy.
//
// Sources: Amazon RDS user guide, "Password management with Amazon RDS and AWS
// Secrets Manager"; AWS Secrets Manager user guide, "Lambda function rotation
// strategies"; and the published rotation templates.
package rdsapi

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/redshift"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// RDS is the part of the RDS client that is used.
type RDS interface {
	rds.DescribeDBClustersAPIClient
	rds.DescribeDBInstancesAPIClient
	rds.DescribeDBProxiesAPIClient
	rds.DescribeDBProxyEndpointsAPIClient
	rds.DescribeDBProxyTargetsAPIClient
}

// Redshift is the part of the Redshift client that is used.
type Redshift interface {
	redshift.DescribeClustersAPIClient
}

// Resolver answers questions about databases. Its errors are *[fault.Error]s
// with the codes SuperuserInvalid (there is no such database, or it is another one),
// AccessDenied, Throttled, ServiceUnavailable and DatabaseUnavailable (it has no endpoint
// yet).
type Resolver struct {
	RDS      func() RDS      // Required.
	Redshift func() Redshift // Required for Redshift's secrets only.
}

// For returns a Resolver for an account and Region. It creates the clients on first use,
// since most secrets need neither.
func For(cfg aws.Config) Resolver {
	return Resolver{
		RDS:      sync.OnceValue(func() RDS { return rds.NewFromConfig(cfg) }),
		Redshift: sync.OnceValue(func() Redshift { return redshift.NewFromConfig(cfg) }),
	}
}

// Endpoint is the address of a database, as a secret's document has it.
type Endpoint struct {
	Engine string // the secret's "engine"
	Host   string
	Port   int
}

// The tags that RDS and Redshift put on the secrets they manage, in lower case:
// the services write them in upper and lower case.
const (
	tagInstance        = "aws:rds:primarydbinstancearn"
	tagCluster         = "aws:rds:primarydbclusterarn"
	tagRedshiftCluster = "aws:redshift:primaryclusterarn"
)

// Endpoint finds the database of a superuser secret that holds a user name and
// a password only, by the secret's tags.
func (r Resolver) Endpoint(ctx context.Context, tags map[string]string) (Endpoint, error) {
	for key, arn := range tags {
		switch strings.ToLower(key) {
		case tagInstance:
			return r.instanceEndpoint(ctx, arn)
		case tagCluster:
			return r.clusterEndpoint(ctx, arn)
		case tagRedshiftCluster:
			return r.redshiftEndpoint(ctx, arn)
		}
	}
	return Endpoint{}, fault.New(fault.SuperuserInvalid,
		"the superuser's secret names no host, and has no tag that says which database it belongs to",
		fmt.Sprintf("Add engine, host and port to the superuser's secret. A secret that RDS manages has the tag %s or %s", tagInstance, tagCluster))
}

func (r Resolver) instanceEndpoint(ctx context.Context, arn string) (Endpoint, error) {
	i, err := r.instance(ctx, arn)
	if err != nil {
		return Endpoint{}, err
	}
	if i == nil {
		return Endpoint{}, missing(arn)
	}
	if i.Endpoint == nil {
		return Endpoint{}, noEndpoint(arn)
	}
	return endpoint(arn, aws.ToString(i.Engine), aws.ToString(i.Endpoint.Address), aws.ToInt32(i.Endpoint.Port))
}

func (r Resolver) clusterEndpoint(ctx context.Context, arn string) (Endpoint, error) {
	c, err := r.cluster(ctx, arn)
	if err != nil {
		return Endpoint{}, err
	}
	if c == nil {
		return Endpoint{}, missing(arn)
	}
	return endpoint(arn, aws.ToString(c.Engine), aws.ToString(c.Endpoint), aws.ToInt32(c.Port))
}

func (r Resolver) redshiftEndpoint(ctx context.Context, arn string) (Endpoint, error) {
	if r.Redshift == nil {
		return Endpoint{}, fault.New(fault.SuperuserInvalid, "the superuser's secret is of a Redshift cluster", "Use a superuser of the secret's own database")
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	id := arn[strings.LastIndex(arn, ":")+1:] // the API takes names only
	out, err := r.Redshift().DescribeClusters(ctx, &redshift.DescribeClustersInput{ClusterIdentifier: &id})
	if isCode(err, "ClusterNotFound", "ClusterNotFoundFault") || err == nil && len(out.Clusters) == 0 {
		return Endpoint{}, missing(arn)
	}
	if err != nil {
		return Endpoint{}, classify(err, "redshift", "DescribeClusters")
	}
	if out.Clusters[0].Endpoint == nil {
		return Endpoint{}, noEndpoint(arn)
	}
	e := out.Clusters[0].Endpoint
	return endpoint(arn, "redshift", aws.ToString(e.Address), aws.ToInt32(e.Port))
}

// endpoint checks an address from the API.
func endpoint(arn, engine, host string, port int32) (Endpoint, error) {
	if host == "" {
		return Endpoint{}, noEndpoint(arn)
	}
	return Endpoint{Engine: secretEngine(engine), Host: host, Port: int(port)}, nil
}

// secretEngine translates the API's name of an engine into that of a secret. They differ
// only for DocumentDB and the first version of Aurora MySQL.
func secretEngine(engine string) string {
	switch engine {
	case "docdb":
		return "mongo"
	case "aurora":
		return "aurora-mysql"
	}
	return engine
}

func missing(arn string) error {
	return fault.New(fault.SuperuserInvalid, "there is no database "+arn+" any more, which the superuser's secret belongs to",
		"Name the superuser's secret of the database that the rotated secret is on")
}

func noEndpoint(arn string) error {
	return fault.New(fault.DatabaseUnavailable, arn+" has no endpoint yet", "Wait until it is available; it is tried again")
}
