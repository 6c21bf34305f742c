package lambdaboot

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// AWS is the SDK's configuration, from the environment variables that Lambda and the
// deployment set. The SDK's package config would do the same, but also supports profiles,
// single sign-on and roles, which functions do not use; linking the clients for those makes
// each cold start longer.
func AWS(getenv func(string) string) aws.Config {
	cfg := aws.Config{
		Region: getenv("AWS_REGION"),
		Credentials: credentials.NewStaticCredentialsProvider(
			getenv("AWS_ACCESS_KEY_ID"), getenv("AWS_SECRET_ACCESS_KEY"), getenv("AWS_SESSION_TOKEN")),
		ConfigSources: []any{environment(getenv)},
	}
	if url := getenv("AWS_ENDPOINT_URL"); url != "" {
		cfg.BaseEndpoint = &url
	}
	return Patient(cfg)
}

// Patient limits connecting to three attempts of two seconds, so that a VPC without a route
// to AWS leads to an error within seconds. With the SDK's defaults the function would time
// out first.
func Patient(cfg aws.Config) aws.Config {
	cfg.HTTPClient = awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = 2 * time.Second }).
		WithTimeout(8 * time.Second)
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = 3 })
	}
	return cfg
}

// environment provides further settings to the SDK's clients. Source: AWS SDKs and Tools
// reference guide, "Service-specific endpoints" and "FIPS endpoints".
type environment func(string) string

// GetServiceBaseEndpoint returns the endpoint of a service. Each client calls it.
func (e environment) GetServiceBaseEndpoint(_ context.Context, sdkID string) (string, bool, error) {
	url := e("AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(sdkID, " ", "_")))
	return url, url != "", nil
}

// GetUseFIPSEndpoint reports whether to use FIPS endpoints. Each client calls it.
func (e environment) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	if e("AWS_USE_FIPS_ENDPOINT") == "true" {
		return aws.FIPSEndpointStateEnabled, true, nil
	}
	return aws.FIPSEndpointStateUnset, false, nil
}
