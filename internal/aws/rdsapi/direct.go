package rdsapi

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

var (
	_ rotation.Servers = Resolver{}
	_ rotation.Proxies = Resolver{}
)

// ManagedBy implements [rotation.Servers].
func (r Resolver) ManagedBy(ctx context.Context, tags map[string]string) (string, int, error) {
	e, err := r.Endpoint(ctx, tags)
	return e.Host, e.Port, err
}

// Alternates implements [rotation.Servers]. A proxy reads a user's password from AWSCURRENT
// of a registered secret, so with one secret it serves only one of two alternating users:
// applications that still use the other are refused.
func (r Resolver) Alternates(ctx context.Context, host, secretARN string) error {
	proxy, err := r.IsProxy(ctx, host)
	if err != nil || proxy == nil || len(proxy.Secrets) == 0 {
		return err
	}
	if proxy.Registered(secretARN) && len(proxy.Secrets) > 1 {
		return nil
	}
	return fault.New(fault.InvalidSecret,
		fmt.Sprintf("key \"host\" is the RDS proxy %s, which knows only the user that AWSCURRENT names: applications on the other user would be refused after each rotation", proxy.Name),
		"Register a second secret with the other user's credentials with the proxy, or use the strategy single-user, or put the database's own endpoint into the secret")
}

// Proxy implements [rotation.Proxies].
func (r Resolver) Proxy(ctx context.Context, host, secretARN string) (*rotation.Proxy, error) {
	proxy, err := r.IsProxy(ctx, host)
	if err != nil || proxy == nil {
		return nil, err
	}
	found := &rotation.Proxy{Name: proxy.Name, Registered: len(proxy.Secrets) == 0 || proxy.Registered(secretARN)}
	if proxy.Database.Host != "" {
		found.Database = net.JoinHostPort(proxy.Database.Host, strconv.Itoa(proxy.Database.Port))
	}
	return found, nil
}

// Direct returns engines that connect to the database behind an RDS proxy if a secret's host
// is one. A proxy accepts only AWSCURRENT, and would refuse the pending password.
func (r Resolver) Direct(engines engine.Table) engine.Table {
	table := engine.Table{}
	for family, e := range engines {
		table[family] = direct{e, r}
	}
	return table
}

type direct struct {
	engine.Engine
	resolver Resolver
}

// Separate implements [engine.Separating].
func (d direct) Separate() (engine.Engine, bool) {
	separate, ok := engine.Separate(d.Engine)
	return direct{separate, d.resolver}, ok
}

func (d direct) Connect(ctx context.Context, doc secretdoc.Document) (engine.Session, error) {
	doc, err := d.behind(ctx, doc)
	if err != nil {
		return nil, err
	}
	return d.Engine.Connect(ctx, doc)
}

func (d direct) Reach(ctx context.Context, doc secretdoc.Document) error {
	doc, err := d.behind(ctx, doc)
	if err != nil {
		return err
	}
	return d.Engine.Reach(ctx, doc)
}

// behind returns the document with the address of the database behind the proxy, if its
// host is a proxy.
func (d direct) behind(ctx context.Context, doc secretdoc.Document) (secretdoc.Document, error) {
	proxy, err := d.resolver.IsProxy(ctx, doc.Host)
	if err != nil || proxy == nil {
		return doc, err
	}
	if proxy.Database.Host == "" {
		return doc, fault.New(fault.DatabaseUnavailable, "the RDS proxy "+proxy.Name+" has no database behind it", "Give it a target")
	}
	return doc.At(proxy.Database.Host, proxy.Database.Port), nil
}
