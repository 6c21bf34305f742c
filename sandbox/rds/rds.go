// Package rds is as much of the Amazon RDS API as a rotation asks: where the
// databases and proxies are. Nothing is created through it; what exists is told
// to it in Go.
//
// The rules are those of the "Amazon RDS API Reference". Filters and pages are
// not there: a request for them is refused.
package rds

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// Endpoint is where an instance is.
type Endpoint struct {
	Address string
	Port    int
}

// Instance is a DB instance.
type Instance struct {
	DBInstanceIdentifier                  string
	DBInstanceArn                         string
	DBInstanceStatus                      string // default "available"
	Engine                                string
	Endpoint                              *Endpoint `xml:",omitempty"` // nil while it is being created
	DBClusterIdentifier                   string    `xml:",omitempty"`
	ReadReplicaSourceDBInstanceIdentifier string    `xml:",omitempty"` // an ARN if it is in another Region
	ReadReplicaSourceDBClusterIdentifier  string    `xml:",omitempty"`
}

// Cluster is a DB cluster.
type Cluster struct {
	DBClusterIdentifier         string
	DBClusterArn                string
	Status                      string // default "available"
	Engine                      string
	Endpoint                    string   `xml:",omitempty"`
	ReaderEndpoint              string   `xml:",omitempty"`
	CustomEndpoints             []string `xml:"CustomEndpoints>member"`
	Port                        int
	ReplicationSourceIdentifier string `xml:",omitempty"`
}

// Auth is a secret that a proxy may log in with.
type Auth struct {
	AuthScheme string
	SecretArn  string
	UserName   string `xml:",omitempty"`
	IAMAuth    string
}

// Proxy is an RDS Proxy.
type Proxy struct {
	DBProxyName  string
	DBProxyArn   string
	Status       string // default "available"
	EngineFamily string
	Endpoint     string
	Auth         []Auth          `xml:"Auth>member"`
	Endpoints    []ProxyEndpoint `xml:"-"` // beside the default one
	Targets      []Target        `xml:"-"`
}

// ProxyEndpoint is one more endpoint of a proxy.
type ProxyEndpoint struct {
	DBProxyEndpointName string
	DBProxyName         string // set by AddProxy
	Endpoint            string
	TargetRole          string
}

// Target is what a proxy connects to.
type Target struct {
	Type             string // RDS_INSTANCE or TRACKED_CLUSTER
	RdsResourceId    string
	TrackedClusterId string `xml:",omitempty"`
	Endpoint         string `xml:",omitempty"`
	Port             int
	Role             string `xml:",omitempty"`
}

// Service implements wire.Service. It is safe for concurrent use, and the same
// for all accounts and Regions. The zero value is ready to use.
type Service struct {
	mu        sync.Mutex
	instances []Instance
	clusters  []Cluster
	proxies   []Proxy
}

var _ wire.Service = (*Service)(nil)

// AddInstance makes an instance known, instead of one of the same name.
func (s *Service) AddInstance(i Instance) {
	if i.DBInstanceStatus == "" {
		i.DBInstanceStatus = "available"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instances = put(s.instances, i, func(o Instance) bool { return o.DBInstanceIdentifier == i.DBInstanceIdentifier })
}

// AddCluster makes a cluster known, instead of one of the same name.
func (s *Service) AddCluster(c Cluster) {
	if c.Status == "" {
		c.Status = "available"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clusters = put(s.clusters, c, func(o Cluster) bool { return o.DBClusterIdentifier == c.DBClusterIdentifier })
}

// AddProxy makes a proxy known, instead of one of the same name.
func (s *Service) AddProxy(p Proxy) {
	if p.Status == "" {
		p.Status = "available"
	}
	p.Endpoints = slices.Clone(p.Endpoints)
	for i := range p.Endpoints {
		p.Endpoints[i].DBProxyName = p.DBProxyName
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proxies = put(s.proxies, p, func(o Proxy) bool { return o.DBProxyName == p.DBProxyName })
}

func put[T any](list []T, one T, same func(T) bool) []T {
	return append(slices.DeleteFunc(slices.Clone(list), same), one)
}

// Spec says how the service is reached.
func (s *Service) Spec() wire.Spec {
	return wire.Spec{Name: "rds", Protocol: wire.Query, Namespace: "http://rds.amazonaws.com/doc/2014-10-31/"}
}

// Operations is the table of what is supported.
func (s *Service) Operations() map[string]wire.Operation {
	return map[string]wire.Operation{
		"DescribeDBInstances":      wire.Op(s.describeInstances),
		"DescribeDBClusters":       wire.Op(s.describeClusters),
		"DescribeDBProxies":        wire.Op(s.describeProxies),
		"DescribeDBProxyEndpoints": wire.Op(s.describeProxyEndpoints),
		"DescribeDBProxyTargets":   wire.Op(s.describeProxyTargets),
	}
}

// page are the parameters that are refused.
type page struct {
	Marker  string
	Filters *struct{}
}

func (p page) check() error {
	if p.Marker != "" || p.Filters != nil {
		return wire.Errorf("InvalidParameterValue", "The sandbox has neither pages nor filters.")
	}
	return nil
}

// find filters by a name or an ARN; an empty one is all.
func find[T any](list []T, wanted string, names func(T) [2]string, missing *wire.Error) ([]T, error) {
	if wanted == "" {
		return slices.Clone(list), nil
	}
	for _, one := range list {
		for _, name := range names(one) {
			if strings.EqualFold(name, wanted) {
				return []T{one}, nil
			}
		}
	}
	return nil, missing
}

func notFound(code, what, name string) *wire.Error {
	return &wire.Error{Code: code, Message: what + " " + name + " not found.", Status: http.StatusNotFound}
}

type instancesInput struct {
	page
	DBInstanceIdentifier string
}

// Resource names the instance for the endpoint's hooks.
func (in *instancesInput) Resource() string { return in.DBInstanceIdentifier }

type instancesOutput struct {
	DBInstances []Instance `xml:"DBInstances>DBInstance"`
}

func (s *Service) describeInstances(_ context.Context, _ wire.Call, in *instancesInput) (*instancesOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := in.check(); err != nil {
		return nil, err
	}
	found, err := find(s.instances, in.DBInstanceIdentifier, func(i Instance) [2]string {
		return [2]string{i.DBInstanceIdentifier, i.DBInstanceArn}
	}, notFound("DBInstanceNotFound", "DBInstance", in.DBInstanceIdentifier))
	if err != nil {
		return nil, err
	}
	return &instancesOutput{found}, nil
}

type clustersInput struct {
	page
	DBClusterIdentifier string
}

// Resource names the cluster for the endpoint's hooks.
func (in *clustersInput) Resource() string { return in.DBClusterIdentifier }

type clustersOutput struct {
	DBClusters []Cluster `xml:"DBClusters>DBCluster"`
}

func (s *Service) describeClusters(_ context.Context, _ wire.Call, in *clustersInput) (*clustersOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := in.check(); err != nil {
		return nil, err
	}
	found, err := find(s.clusters, in.DBClusterIdentifier, func(c Cluster) [2]string {
		return [2]string{c.DBClusterIdentifier, c.DBClusterArn}
	}, notFound("DBClusterNotFoundFault", "DBCluster", in.DBClusterIdentifier))
	if err != nil {
		return nil, err
	}
	return &clustersOutput{found}, nil
}
