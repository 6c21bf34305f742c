package rdsapi

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// SameServerOrPrimary checks that a superuser's host is the secret's own, or
// the primary of the read replica that the secret's host is, or of the same cluster.
// Otherwise it returns SuperuserInvalid: the superuser's password must not be sent to any
// server that somebody writes into a secret (the confused deputy problem).
//
// No call is made when the hosts are equal. When they differ each is looked up,
// and the API must give it the very address that the secret has.
func (r Resolver) SameServerOrPrimary(ctx context.Context, host, superuserHost string) error {
	if strings.EqualFold(host, superuserHost) {
		return nil
	}
	secret, err := r.locate(ctx, host)
	if err != nil {
		return err
	}
	superuser, err := r.locate(ctx, superuserHost)
	if err != nil {
		return err
	}
	if secret != nil && superuser != nil && secret.reaches(superuser) {
		return nil
	}
	return fault.New(fault.SuperuserInvalid,
		fmt.Sprintf("the secret's host %s is not the superuser's %s, nor a read replica or a member of its cluster", host, superuserHost),
		"Name a superuser of the same database. Both secrets have to name endpoints that RDS itself gave, in one Region and account")
}

// server is an instance or a cluster.
type server struct {
	instance, instanceARN string
	cluster, clusterARN   string // of the instance, too
	sources               []string
}

// reaches reports whether what the superuser changes comes to s.
func (s *server) reaches(superuser *server) bool {
	if s.cluster != "" && s.cluster == superuser.cluster {
		return true
	}
	for _, name := range []string{superuser.instance, superuser.instanceARN, superuser.cluster, superuser.clusterARN} {
		if name != "" && slices.Contains(s.sources, name) {
			return true
		}
	}
	return false
}

// The second part of an endpoint's name, before a dash or a dot, says what kind
// it is (Amazon Aurora user guide, "Aurora endpoints").
const (
	kindCustom = "cluster-custom-"
	kindProxy  = "proxy-"
)

func endpointKind(host string) (id, kind string) {
	parts := strings.SplitN(strings.ToLower(host), ".", 3)
	if len(parts) < 2 {
		return parts[0], ""
	}
	return parts[0], parts[1]
}

// locate finds what has the endpoint; nil is nothing.
func (r Resolver) locate(ctx context.Context, host string) (*server, error) {
	id, kind := endpointKind(host)
	switch {
	case strings.HasPrefix(kind, kindCustom):
		all, err := r.clusters(ctx)
		for _, c := range all {
			if hasFold(c.CustomEndpoints, host) {
				return ofCluster(c), nil
			}
		}
		return nil, err
	case strings.HasPrefix(kind, "cluster-"):
		c, err := r.cluster(ctx, id)
		if err != nil || c == nil || !hasFold([]string{aws.ToString(c.Endpoint), aws.ToString(c.ReaderEndpoint)}, host) {
			return nil, err
		}
		return ofCluster(*c), nil
	}
	i, err := r.instance(ctx, id)
	if err != nil || i == nil || i.Endpoint == nil || !strings.EqualFold(aws.ToString(i.Endpoint.Address), host) {
		return nil, err
	}
	s := &server{
		instance: aws.ToString(i.DBInstanceIdentifier), instanceARN: aws.ToString(i.DBInstanceArn),
		cluster: aws.ToString(i.DBClusterIdentifier),
	}
	s.addSource(i.ReadReplicaSourceDBInstanceIdentifier)
	s.addSource(i.ReadReplicaSourceDBClusterIdentifier)
	return s, nil
}

func ofCluster(c types.DBCluster) *server {
	s := &server{cluster: aws.ToString(c.DBClusterIdentifier), clusterARN: aws.ToString(c.DBClusterArn)}
	s.addSource(c.ReplicationSourceIdentifier)
	return s
}

func (s *server) addSource(source *string) {
	if name := aws.ToString(source); name != "" {
		s.sources = append(s.sources, name)
	}
}

func hasFold(list []string, host string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, host) })
}
