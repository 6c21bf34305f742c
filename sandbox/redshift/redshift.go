// Package redshift is as much of the Amazon Redshift API as a rotation asks:
// where the clusters are. Nothing is created through it; what exists is told to
// it in Go.
//
// The rules are those of the "Amazon Redshift API Reference". There are no
// pages.
package redshift

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// Endpoint is where a cluster is.
type Endpoint struct {
	Address string
	Port    int
}

// Cluster is a provisioned cluster.
type Cluster struct {
	ClusterIdentifier string
	ClusterStatus     string    // default "available"
	DBName            string    `xml:",omitempty"`
	Endpoint          *Endpoint `xml:",omitempty"` // nil while it is being created
}

// Service implements wire.Service. It is safe for concurrent use, and the same
// for all accounts and Regions. The zero value is ready to use.
type Service struct {
	mu       sync.Mutex
	clusters []Cluster
}

var _ wire.Service = (*Service)(nil)

// AddCluster makes a cluster known, instead of one of the same name.
func (s *Service) AddCluster(c Cluster) {
	if c.ClusterStatus == "" {
		c.ClusterStatus = "available"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clusters = append(slices.DeleteFunc(slices.Clone(s.clusters), func(o Cluster) bool {
		return o.ClusterIdentifier == c.ClusterIdentifier
	}), c)
}

// Spec says how the service is reached.
func (s *Service) Spec() wire.Spec {
	return wire.Spec{Name: "redshift", Protocol: wire.Query, Namespace: "http://redshift.amazonaws.com/doc/2012-12-01/"}
}

// Operations is the table of what is supported.
func (s *Service) Operations() map[string]wire.Operation {
	return map[string]wire.Operation{"DescribeClusters": wire.Op(s.describe)}
}

type describeInput struct{ ClusterIdentifier string }

// Resource names the cluster for the endpoint's hooks.
func (in *describeInput) Resource() string { return in.ClusterIdentifier }

type describeOutput struct {
	Clusters []Cluster `xml:"Clusters>Cluster"`
}

func (s *Service) describe(_ context.Context, _ wire.Call, in *describeInput) (*describeOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.ClusterIdentifier == "" {
		return &describeOutput{slices.Clone(s.clusters)}, nil
	}
	for _, c := range s.clusters {
		if c.ClusterIdentifier == in.ClusterIdentifier {
			return &describeOutput{[]Cluster{c}}, nil
		}
	}
	return nil, &wire.Error{
		Code: "ClusterNotFound", Message: "Cluster " + in.ClusterIdentifier + " not found.", Status: http.StatusNotFound,
	}
}
