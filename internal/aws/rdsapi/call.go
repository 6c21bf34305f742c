package rdsapi

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/tumbler-rotation/tumbler/internal/aws/awsfault"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// callTimeout limits one call with its retries. Without a route to the API a call hangs;
// it must fail, with a hint, before the function times out.
const callTimeout = 15 * time.Second

// instance describes an instance by name or ARN; nil if there is none.
func (r Resolver) instance(ctx context.Context, id string) (*types.DBInstance, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := r.RDS().DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: &id})
	if isCode(err, "DBInstanceNotFound", "DBInstanceNotFoundFault") || err == nil && len(out.DBInstances) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, classify(err, "rds", "DescribeDBInstances")
	}
	return &out.DBInstances[0], nil
}

// cluster describes a cluster by name or ARN; nil if there is none.
func (r Resolver) cluster(ctx context.Context, id string) (*types.DBCluster, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := r.RDS().DescribeDBClusters(ctx, &rds.DescribeDBClustersInput{DBClusterIdentifier: &id})
	if isCode(err, "DBClusterNotFoundFault", "DBClusterNotFound") || err == nil && len(out.DBClusters) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, classify(err, "rds", "DescribeDBClusters")
	}
	return &out.DBClusters[0], nil
}

// clusters describes all clusters of the Region.
func (r Resolver) clusters(ctx context.Context) ([]types.DBCluster, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var all []types.DBCluster
	for pages := rds.NewDescribeDBClustersPaginator(r.RDS(), nil); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, classify(err, "rds", "DescribeDBClusters")
		}
		all = append(all, page.DBClusters...)
	}
	return all, nil
}

func isCode(err error, codes ...string) bool {
	_, code := awsfault.Of(err)
	return slices.Contains(codes, code)
}

// classify returns the fault for an error of the API.
func classify(err error, service, call string) error {
	op := service + ":" + call
	if kind, code := awsfault.Of(err); kind == awsfault.Other || kind == awsfault.NotFound {
		return fault.Wrap(err, fault.SuperuserInvalid, op+" was refused ("+code+")",
			"Check the host in the secret and in the superuser's secret")
	}
	return awsfault.Call{
		Op: op, Service: serviceNames[service],
		Allow: "Allow " + op + " in the function's role: it is needed for superuser secrets that AWS manages, for read replicas and for proxies",
	}.Fault(err)
}

var serviceNames = map[string]string{"rds": "Amazon RDS", "redshift": "Amazon Redshift"}
