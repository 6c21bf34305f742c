// Package secretsmgr gives the rotation steps what they need of AWS Secrets
// Manager, and turns its errors into codes of package fault.
package secretsmgr

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// Client implements the interfaces that package rotation declares.
type Client struct{ api *secretsmanager.Client }

// New returns a Client that uses api.
func New(api *secretsmanager.Client) *Client { return &Client{api: api} }

var _ interface {
	rotation.Describer
	rotation.VersionDater
	rotation.ValueReader
	rotation.VersionWriter
	rotation.LabelMover
} = (*Client)(nil)

// Describe implements [rotation.Describer].
func (c *Client) Describe(ctx context.Context, secretID string) (rotation.Metadata, error) {
	out, err := c.api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &secretID})
	if err != nil {
		return rotation.Metadata{}, classify(err, "DescribeSecret", secretID)
	}
	m := rotation.Metadata{
		ARN:           aws.ToString(out.ARN),
		Name:          aws.ToString(out.Name),
		Deleted:       out.DeletedDate != nil,
		OwningService: aws.ToString(out.OwningService),
		PrimaryRegion: aws.ToString(out.PrimaryRegion),
		Labels:        map[string]string{},
		Tags:          map[string]string{},
	}
	if aws.ToBool(out.RotationEnabled) {
		m.NativeRotationARN = aws.ToString(out.RotationLambdaARN)
	}
	for _, tag := range out.Tags {
		m.Tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	for _, r := range out.ReplicationStatus {
		m.Replicas = append(m.Replicas, rotation.Replica{
			Region: aws.ToString(r.Region), InSync: r.Status == types.StatusTypeInSync, Why: aws.ToString(r.StatusMessage),
		})
	}
	for id, labels := range out.VersionIdsToStages {
		for _, label := range labels {
			m.Labels[label] = id
		}
	}
	return m, nil
}

// CreatedAt implements [rotation.VersionDater]. It returns the zero time for a version that
// no longer exists.
func (c *Client) CreatedAt(ctx context.Context, secretID, versionID string) (time.Time, error) {
	pages := secretsmanager.NewListSecretVersionIdsPaginator(c.api, &secretsmanager.ListSecretVersionIdsInput{SecretId: &secretID})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return time.Time{}, classify(err, "ListSecretVersionIds", secretID)
		}
		for _, v := range page.Versions {
			if aws.ToString(v.VersionId) == versionID {
				return aws.ToTime(v.CreatedDate), nil
			}
		}
	}
	return time.Time{}, nil
}

// Versions implements [rotation.VersionLister].
func (c *Client) Versions(ctx context.Context, secretID string) (ids []string, err error) {
	pages := secretsmanager.NewListSecretVersionIdsPaginator(c.api, &secretsmanager.ListSecretVersionIdsInput{
		SecretId: &secretID, IncludeDeprecated: aws.Bool(true),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, classify(err, "ListSecretVersionIds", secretID)
		}
		for _, v := range page.Versions {
			ids = append(ids, aws.ToString(v.VersionId))
		}
	}
	return ids, nil
}

// Value implements [rotation.ValueReader].
func (c *Client) Value(ctx context.Context, secretID string, v rotation.Version) (redact.String, string, error) {
	in := &secretsmanager.GetSecretValueInput{SecretId: &secretID}
	if v.ID != "" {
		in.VersionId = &v.ID
	}
	if v.Label != "" {
		in.VersionStage = &v.Label
	}
	out, err := c.api.GetSecretValue(ctx, in)
	if err != nil {
		return redact.String{}, "", classifyRead(err, secretID, v)
	}
	return redact.New(aws.ToString(out.SecretString)), aws.ToString(out.VersionId), nil
}

// PutVersion implements [rotation.VersionWriter].
func (c *Client) PutVersion(ctx context.Context, secretID, versionID, label string, value redact.String) error {
	_, err := c.api.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId:           &secretID,
		ClientRequestToken: &versionID,
		SecretString:       new(value.Reveal()),
		VersionStages:      []string{label},
	})
	if _, exists := errors.AsType[*types.ResourceExistsException](err); exists {
		return nil
	}
	return classify(err, "PutSecretValue", secretID)
}

// MoveLabel implements [rotation.LabelMover] with UpdateSecretVersionStage,
// which fails unless RemoveFromVersionId names the version that holds the
// label.
func (c *Client) MoveLabel(ctx context.Context, secretID, label, from, to string) (bool, error) {
	in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &secretID, VersionStage: &label}
	if from != "" {
		in.RemoveFromVersionId = &from
	}
	if to != "" {
		in.MoveToVersionId = &to
	}
	_, err := c.api.UpdateSecretVersionStage(ctx, in)
	if _, elsewhere := errors.AsType[*types.InvalidParameterException](err); elsewhere {
		return false, nil
	}
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing && to != "" {
		return false, fault.Wrap(err, fault.VersionNotReady, "version "+to+" cannot be labelled "+label+" yet", waitHint)
	}
	return err == nil, classify(err, "UpdateSecretVersionStage", secretID)
}
