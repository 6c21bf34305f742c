package rotation

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// Where the functions find the private certificate authorities. Lambda mounts layers
// at /opt.
const (
	authoritiesFile = "tumbler/certificate-authorities.pem"
	authoritiesPath = "/opt/" + authoritiesFile
	// authoritiesVariable is read by internal/engine/all.
	authoritiesVariable = "TUMBLER_CERTIFICATE_AUTHORITIES"
)

// layer gives the private certificate authorities to the functions that log in to
// databases. Environment variables are too small for them, and a layer leaves the
// functions' code the same in every deployment.
func (s *shared) layer(scope constructs.Construct) error {
	if len(s.cfg.Authorities) == 0 {
		return nil
	}
	dir, err := os.MkdirTemp("", "tumbler-authorities-") // CDK copies it into its own folder
	if err != nil {
		return fmt.Errorf("writing the certificate authorities: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, filepath.FromSlash(authoritiesFile))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("writing the certificate authorities: %w", err)
	}
	if err := os.WriteFile(path, s.cfg.Authorities, 0o644); err != nil { //nolint:gosec // certificates are public
		return fmt.Errorf("writing the certificate authorities: %w", err)
	}
	asset := awss3assets.NewAsset(scope, jsii.String("AuthoritiesFile"), &awss3assets.AssetProps{Path: jsii.String(dir)})
	s.authorities = awslambda.NewCfnLayerVersion(scope, jsii.String("Authorities"), &awslambda.CfnLayerVersionProps{
		LayerName:   jsii.String(s.named("authorities")),
		Description: jsii.String("Certificate authorities of databases that are not AWS's"),
		Content: &awslambda.CfnLayerVersion_ContentProperty{
			S3Bucket: asset.S3BucketName(), S3Key: asset.S3ObjectKey(),
		},
	})
	return nil
}
