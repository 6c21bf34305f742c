package secretsmgr

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/tumbler-rotation/tumbler/internal/fleet"
	"github.com/tumbler-rotation/tumbler/internal/pattern"
)

var _ fleet.Lister = (*Client)(nil)

// List implements [fleet.Lister]. Its filters only reduce the number of results: they match
// prefixes, and cannot match pairs of a tag's key and value.
func (c *Client) List(ctx context.Context, s fleet.Selection, each func(fleet.Secret) error) error {
	pages := secretsmanager.NewListSecretsPaginator(c.api, &secretsmanager.ListSecretsInput{
		Filters: filters(s), IncludePlannedDeletion: new(true), MaxResults: aws.Int32(100),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return classify(err, "ListSecrets", "")
		}
		for _, entry := range page.SecretList {
			if err := each(listed(entry)); err != nil {
				return err
			}
		}
	}
	return nil
}

// filterValue is what ListSecrets accepts as a filter's value; a leading ! would
// negate it (API reference, "Filter").
var filterValue = pattern.New(`^[a-zA-Z0-9 :_@/+=.-][a-zA-Z0-9 :_@/+=.!-]*$`)

// maxFilters is ListSecrets' limit.
const maxFilters = 10

func filters(s fleet.Selection) []types.Filter {
	var list []types.Filter
	add := func(key types.FilterNameStringType, value string) {
		if len(list) < maxFilters && len(value) <= 512 && filterValue().MatchString(value) {
			list = append(list, types.Filter{Key: key, Values: []string{value}})
		}
	}
	add(types.FilterNameStringTypeName, s.Prefix)
	for _, key := range slices.Sorted(maps.Keys(s.Tags)) {
		add(types.FilterNameStringTypeTagKey, key)
		add(types.FilterNameStringTypeTagValue, s.Tags[key])
	}
	return list
}

func listed(e types.SecretListEntry) fleet.Secret {
	s := fleet.Secret{
		ARN: aws.ToString(e.ARN), Name: aws.ToString(e.Name), Deleted: e.DeletedDate != nil,
		OwningService: aws.ToString(e.OwningService), PrimaryRegion: aws.ToString(e.PrimaryRegion),
		Labels: map[string]string{}, Tags: map[string]string{},
	}
	if aws.ToBool(e.RotationEnabled) {
		s.NativeRotationARN = aws.ToString(e.RotationLambdaARN)
	}
	for _, tag := range e.Tags {
		s.Tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	for id, labels := range e.SecretVersionsToStages {
		for _, label := range labels {
			s.Labels[label] = id
		}
	}
	return s
}
