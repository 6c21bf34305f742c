package rds

import (
	"context"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

type proxyInput struct {
	page
	DBProxyName string
}

// Resource names the proxy for the endpoint's hooks.
func (in *proxyInput) Resource() string { return in.DBProxyName }

// find returns the proxies asked for.
func (in *proxyInput) find(s *Service) ([]Proxy, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	return find(s.proxies, in.DBProxyName, func(p Proxy) [2]string { return [2]string{p.DBProxyName} },
		notFound("DBProxyNotFoundFault", "DBProxy", in.DBProxyName))
}

type proxiesOutput struct {
	DBProxies []Proxy `xml:"DBProxies>member"`
}

func (s *Service) describeProxies(_ context.Context, _ wire.Call, in *proxyInput) (*proxiesOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := in.find(s)
	if err != nil {
		return nil, err
	}
	return &proxiesOutput{found}, nil
}

type proxyEndpointsOutput struct {
	DBProxyEndpoints []ProxyEndpoint `xml:"DBProxyEndpoints>member"`
}

func (s *Service) describeProxyEndpoints(_ context.Context, _ wire.Call, in *proxyInput) (*proxyEndpointsOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := in.find(s)
	if err != nil {
		return nil, err
	}
	out := &proxyEndpointsOutput{}
	for _, p := range found {
		out.DBProxyEndpoints = append(out.DBProxyEndpoints, p.Endpoints...)
	}
	return out, nil
}

type proxyTargetsOutput struct {
	Targets []Target `xml:"Targets>member"`
}

func (s *Service) describeProxyTargets(_ context.Context, _ wire.Call, in *proxyInput) (*proxyTargetsOutput, error) {
	if in.DBProxyName == "" {
		return nil, wire.Errorf("InvalidParameterValue", "DBProxyName is required.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := in.find(s)
	if err != nil {
		return nil, err
	}
	return &proxyTargetsOutput{found[0].Targets}, nil
}
