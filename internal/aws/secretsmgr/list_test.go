package secretsmgr

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/fleet"
)

// Filters are left out where ListSecrets would refuse them or mean something
// else by them; the fleet compares for itself.
func TestFilters(t *testing.T) {
	for _, tc := range []struct {
		selection fleet.Selection
		want      []string
	}{
		{fleet.Selection{All: true}, nil},
		{fleet.Selection{Prefix: "prod/"}, []string{"name=prod/"}},
		{fleet.Selection{Prefix: "!prod"}, nil},
		{fleet.Selection{Tags: map[string]string{"team": "a b", "env": "prod"}}, []string{"tag-key=env", "tag-value=prod", "tag-key=team", "tag-value=a b"}},
		{fleet.Selection{Tags: map[string]string{"team": ""}}, []string{"tag-key=team"}},
		{fleet.Selection{Tags: map[string]string{"größe": "x(1)"}}, nil},
		{fleet.Selection{Prefix: strings.Repeat("x", 513)}, nil},
	} {
		var got []string
		for _, f := range filters(tc.selection) {
			got = append(got, string(f.Key)+"="+f.Values[0])
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Error(tc.selection, diff)
		}
	}
	many := fleet.Selection{Tags: map[string]string{}}
	for i := range 20 {
		many.Tags[fmt.Sprint("k", i)] = "v"
	}
	if n := len(filters(many)); n != maxFilters {
		t.Errorf("%d filters", n)
	}
}

func TestListed(t *testing.T) {
	got := listed(types.SecretListEntry{
		ARN: aws.String("arn"), Name: aws.String("n"), OwningService: aws.String("rds"), PrimaryRegion: aws.String("eu-west-1"),
		RotationLambdaARN: aws.String("f"), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
		SecretVersionsToStages: map[string][]string{"1": {"AWSCURRENT", "TUMBLER"}, "0": {"AWSPREVIOUS"}},
	})
	want := fleet.Secret{
		ARN: "arn", Name: "n", OwningService: "rds", PrimaryRegion: "eu-west-1", // rotation is not switched on
		Labels: map[string]string{"AWSCURRENT": "1", "TUMBLER": "1", "AWSPREVIOUS": "0"}, Tags: map[string]string{"k": "v"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
