package rdsapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsrds "github.com/aws/aws-sdk-go-v2/service/rds"
	awsredshift "github.com/aws/aws-sdk-go-v2/service/redshift"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/aws/rdsapi"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox/rds"
	"github.com/tumbler-rotation/tumbler/sandbox/redshift"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

const (
	region  = "eu-west-1"
	account = "123456789012"
	suffix  = ".c1abcdef.eu-west-1.rds.amazonaws.com"
	hash    = "c1abcdef.eu-west-1.rds.amazonaws.com"
)

// inProcess carries requests to a handler without a socket, and counts them.
type inProcess struct {
	h     http.Handler
	calls int
	fail  error
}

func (t *inProcess) Do(r *http.Request) (*http.Response, error) {
	t.calls++
	if t.fail != nil {
		return nil, t.fail
	}
	r.Host = r.URL.Host
	w := httptest.NewRecorder()
	t.h.ServeHTTP(w, r)
	return w.Result(), nil
}

// cloud is AWS's side with the real SDK clients on this one.
type cloud struct {
	rds      rds.Service
	redshift redshift.Service
	http     inProcess
	refuse   string // the code that every call is answered with
	rdsapi.Resolver
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{}
	h, err := wire.New(wire.Config{Intercept: func(context.Context, wire.Call) *wire.Failure {
		if c.refuse != "" {
			return &wire.Failure{Err: wire.Errorf(c.refuse, "User: arn:aws:sts::123456789012:assumed-role/x is not authorized")}
		}
		return nil
	}}, &c.rds, &c.redshift)
	if err != nil {
		t.Fatal(err)
	}
	c.http.h = h
	credentials := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: account, SecretAccessKey: "x"}, nil
	})
	rds := awsrds.New(awsrds.Options{
		Region: region, Credentials: credentials, HTTPClient: &c.http, RetryMaxAttempts: 1,
		BaseEndpoint: aws.String("http://localhost"),
	})
	redshift := awsredshift.New(awsredshift.Options{
		Region: region, Credentials: credentials, HTTPClient: &c.http, RetryMaxAttempts: 1,
		BaseEndpoint: aws.String("http://localhost"),
	})
	c.RDS, c.Redshift = func() rdsapi.RDS { return rds }, func() rdsapi.Redshift { return redshift }
	return c
}

func arn(kind, name string) string {
	return "arn:aws:rds:" + region + ":" + account + ":" + kind + ":" + name
}

// instance is one with the usual endpoint.
func instance(name string) rds.Instance {
	return rds.Instance{
		DBInstanceIdentifier: name, DBInstanceArn: arn("db", name), Engine: "postgres",
		Endpoint: &rds.Endpoint{Address: name + suffix, Port: 5432},
	}
}

func cluster(name string) rds.Cluster {
	return rds.Cluster{
		DBClusterIdentifier: name, DBClusterArn: arn("cluster", name), Engine: "aurora-postgresql", Port: 5433,
		Endpoint: name + ".cluster-" + hash, ReaderEndpoint: name + ".cluster-ro-" + hash,
		CustomEndpoints: []string{"special.cluster-custom-" + hash},
	}
}

func want(t *testing.T, err error, code fault.Code, say ...string) {
	t.Helper()
	if fault.CodeOf(err) != code {
		t.Fatalf("got %v (%v), want %q", err, errors.Unwrap(err), code)
	}
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Hint == "" {
		t.Errorf("no hint in %v", err)
	}
	for _, text := range say {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%v does not say %q", err, text)
		}
	}
	if err != nil && strings.Contains(err.Error(), "assumed-role") {
		t.Errorf("AWS's text shows in %v", err)
	}
}

func TestEndpoint(t *testing.T) {
	c := newCloud(t)
	c.rds.AddInstance(instance("orders"))
	c.rds.AddInstance(rds.Instance{DBInstanceIdentifier: "newborn", DBInstanceArn: arn("db", "newborn"), Engine: "mysql"})
	c.rds.AddCluster(cluster("shop"))
	docs := cluster("docs")
	docs.Engine = "docdb"
	c.rds.AddCluster(docs)
	c.redshift.AddCluster(redshift.Cluster{
		ClusterIdentifier: "dw", DBName: "dev", Endpoint: &redshift.Endpoint{Address: "dw.abc.eu-west-1.redshift.amazonaws.com", Port: 5439},
	})
	for name, tc := range map[string]struct {
		tags map[string]string
		want rdsapi.Endpoint
		code fault.Code
	}{
		"instance": {
			map[string]string{"team": "a", "aws:rds:primaryDBInstanceArn": arn("db", "orders")},
			rdsapi.Endpoint{Engine: "postgres", Host: "orders" + suffix, Port: 5432},
			"",
		},
		"cluster": {
			map[string]string{"aws:rds:primarydbclusterarn": arn("cluster", "shop")},
			rdsapi.Endpoint{Engine: "aurora-postgresql", Host: "shop.cluster-" + hash, Port: 5433},
			"",
		},
		"DocumentDB": {
			map[string]string{"aws:rds:primaryDBClusterArn": arn("cluster", "docs")},
			rdsapi.Endpoint{Engine: "mongo", Host: "docs.cluster-" + hash, Port: 5433},
			"",
		},
		"Redshift": {
			map[string]string{"aws:redshift:primaryClusterArn": "arn:aws:redshift:eu-west-1:123456789012:cluster:dw"},
			rdsapi.Endpoint{Engine: "redshift", Host: "dw.abc.eu-west-1.redshift.amazonaws.com", Port: 5439},
			"",
		},
		"no tag":           {map[string]string{"team": "a"}, rdsapi.Endpoint{}, fault.SuperuserInvalid},
		"instance gone":    {map[string]string{"aws:rds:primarydbinstancearn": arn("db", "gone")}, rdsapi.Endpoint{}, fault.SuperuserInvalid},
		"cluster gone":     {map[string]string{"aws:rds:primarydbclusterarn": arn("cluster", "gone")}, rdsapi.Endpoint{}, fault.SuperuserInvalid},
		"Redshift gone":    {map[string]string{"aws:redshift:primaryclusterarn": "arn:aws:redshift:eu-west-1:123456789012:cluster:gone"}, rdsapi.Endpoint{}, fault.SuperuserInvalid},
		"not yet created":  {map[string]string{"aws:rds:primarydbinstancearn": arn("db", "newborn")}, rdsapi.Endpoint{}, fault.DatabaseUnavailable},
		"something else's": {map[string]string{"aws:rds:primarydbproxyarn": "x"}, rdsapi.Endpoint{}, fault.SuperuserInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.Endpoint(t.Context(), tc.tags)
			want(t, err, tc.code)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSameServerOrPrimary(t *testing.T) {
	c := newCloud(t)
	c.rds.AddInstance(instance("primary"))
	replica := instance("replica")
	replica.ReadReplicaSourceDBInstanceIdentifier = "primary"
	c.rds.AddInstance(replica)
	abroad := instance("abroad")
	abroad.ReadReplicaSourceDBInstanceIdentifier = arn("db", "primary")
	c.rds.AddInstance(abroad)
	c.rds.AddInstance(instance("stranger"))
	c.rds.AddCluster(cluster("shop"))
	member := instance("shop-1")
	member.DBClusterIdentifier = "shop"
	c.rds.AddInstance(member)
	second := cluster("second")
	second.ReplicationSourceIdentifier, second.CustomEndpoints = arn("cluster", "shop"), nil
	c.rds.AddCluster(second)
	ofMultiAZ := instance("of-shop")
	ofMultiAZ.ReadReplicaSourceDBClusterIdentifier = "shop"
	c.rds.AddInstance(ofMultiAZ)

	const writer, reader, custom = "shop.cluster-" + hash, "shop.cluster-ro-" + hash, "special.cluster-custom-" + hash
	for name, tc := range map[string]struct {
		host, superuser string
		code            fault.Code
		calls           int
	}{
		"same":                    {"primary" + suffix, "PRIMARY" + suffix, "", 0},
		"same, not on RDS":        {"10.0.0.1", "10.0.0.1", "", 0},
		"replica":                 {"replica" + suffix, "primary" + suffix, "", 2},
		"replica, named by ARN":   {"abroad" + suffix, "primary" + suffix, "", 2},
		"the wrong way round":     {"primary" + suffix, "replica" + suffix, fault.SuperuserInvalid, 2},
		"stranger":                {"stranger" + suffix, "primary" + suffix, fault.SuperuserInvalid, 2},
		"reader endpoint":         {reader, writer, "", 2},
		"custom endpoint":         {custom, writer, "", 2},
		"member":                  {"shop-1" + suffix, writer, "", 2},
		"writer, from a member":   {writer, "shop-1" + suffix, "", 2},
		"Aurora replica cluster":  {"second.cluster-" + hash, writer, "", 2},
		"replica of a cluster":    {"of-shop" + suffix, writer, "", 2},
		"another cluster":         {writer, "second.cluster-" + hash, fault.SuperuserInvalid, 2},
		"unknown host":            {"db.example.com", "primary" + suffix, fault.SuperuserInvalid, 2},
		"a name that looks right": {"replica.evil.example", "primary" + suffix, fault.SuperuserInvalid, 2},
		"a cluster that does too": {"shop.cluster-evil.example", writer, fault.SuperuserInvalid, 2},
		"a bare name":             {"replica", "primary" + suffix, fault.SuperuserInvalid, 2},
	} {
		t.Run(name, func(t *testing.T) {
			c.http.calls = 0
			want(t, c.SameServerOrPrimary(t.Context(), tc.host, tc.superuser), tc.code)
			if c.http.calls != tc.calls {
				t.Errorf("%d calls, want %d", c.http.calls, tc.calls)
			}
		})
	}
}

func TestIsProxy(t *testing.T) {
	c := newCloud(t)
	c.rds.AddInstance(instance("orders"))
	c.rds.AddCluster(cluster("shop"))
	const first, second = "front.proxy-c1.eu-west-1.rds.amazonaws.com", "other.proxy-c1.eu-west-1.rds.amazonaws.com"
	const extra = "reading.endpoint.proxy-c1.eu-west-1.rds.amazonaws.com"
	c.rds.AddProxy(rds.Proxy{
		DBProxyName: "front", DBProxyArn: arn("db-proxy", "front"), EngineFamily: "POSTGRESQL", Endpoint: first,
		Auth:      []rds.Auth{{AuthScheme: "SECRETS", SecretArn: "arn:a", IAMAuth: "DISABLED"}, {AuthScheme: "SECRETS", SecretArn: "arn:b", IAMAuth: "DISABLED"}},
		Endpoints: []rds.ProxyEndpoint{{DBProxyEndpointName: "reading", Endpoint: extra, TargetRole: "READ_ONLY"}},
		Targets: []rds.Target{
			{Type: "RDS_INSTANCE", RdsResourceId: "shop-1", TrackedClusterId: "shop", Port: 5433},
			{Type: "TRACKED_CLUSTER", RdsResourceId: "shop", Port: 5433},
		},
	})
	c.rds.AddProxy(rds.Proxy{
		DBProxyName: "other", DBProxyArn: arn("db-proxy", "other"), EngineFamily: "POSTGRESQL", Endpoint: second,
		Targets: []rds.Target{{Type: "RDS_INSTANCE", RdsResourceId: "orders", Port: 5432}},
	})
	front := &rdsapi.Proxy{
		Name: "front", ARN: arn("db-proxy", "front"), Secrets: []string{"arn:a", "arn:b"},
		Database: rdsapi.Endpoint{Engine: "aurora-postgresql", Host: "shop.cluster-" + hash, Port: 5433},
	}
	for host, proxy := range map[string]*rdsapi.Proxy{
		first: front,
		extra: front,
		second: {
			Name: "other", ARN: arn("db-proxy", "other"),
			Database: rdsapi.Endpoint{Engine: "postgres", Host: "orders" + suffix, Port: 5432},
		},
		"gone.proxy-c1.eu-west-1.rds.amazonaws.com": nil,
	} {
		got, err := c.IsProxy(t.Context(), host)
		want(t, err, "")
		if diff := cmp.Diff(proxy, got); diff != "" {
			t.Errorf("%s: %s", host, diff)
		}
	}
	if !front.Registered("arn:b") || front.Registered("arn:c") {
		t.Error("registered secrets")
	}
	c.http.calls = 0
	if got, err := c.IsProxy(t.Context(), "orders"+suffix); got != nil || err != nil || c.http.calls != 0 {
		t.Errorf("an instance: %v, %v, %d calls", got, err, c.http.calls)
	}
}

func TestErrors(t *testing.T) {
	tags := map[string]string{"aws:rds:primarydbclusterarn": arn("cluster", "shop")}
	for code, wanted := range map[string]fault.Code{
		"AccessDenied":          fault.AccessDenied,
		"Throttling":            fault.Throttled,
		"InvalidParameterValue": fault.SuperuserInvalid,
	} {
		c := newCloud(t)
		c.refuse = code
		_, err := c.Endpoint(t.Context(), tags)
		want(t, err, wanted, "rds:DescribeDBClusters")
		_, err = c.IsProxy(t.Context(), "front.proxy-c1.eu-west-1.rds.amazonaws.com")
		want(t, err, wanted, "rds:DescribeDBProxies")
		want(t, c.SameServerOrPrimary(t.Context(), "a"+suffix, "b"+suffix), wanted, "rds:DescribeDBInstances")
	}
	c := newCloud(t)
	c.http.fail = errors.New("dial tcp: i/o timeout")
	_, err := c.Endpoint(t.Context(), tags)
	want(t, err, fault.ServiceUnavailable, "interface endpoint for Amazon RDS")
	_, err = c.Endpoint(t.Context(), map[string]string{"aws:redshift:primaryclusterarn": "arn:aws:redshift:eu-west-1:1:cluster:dw"})
	want(t, err, fault.ServiceUnavailable, "interface endpoint for Amazon Redshift")
}
