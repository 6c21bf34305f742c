package secretsmanager_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/sandbox/secretsmanager"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// listed makes four secrets to look for.
func listed(t *testing.T) *env {
	e := setup(t)
	for _, s := range []struct{ name, description, key, value string }{
		{"prod/orders", "Orders database", "env", "prod"},
		{"prod/users", "the users", "env", "prod"},
		{"dev/orders", "orders for play", "env", "dev"},
		{"Prod/other", "", "owner", "Blue Team"},
	} {
		_ = must[*sm.CreateSecretOutput](t)(e.CreateSecret(t.Context(), &sm.CreateSecretInput{
			Name: &s.name, Description: &s.description, SecretString: aws.String("v"),
			Tags: []types.Tag{{Key: &s.key, Value: &s.value}},
		}))
		e.clock.add(24 * time.Hour)
	}
	return e
}

func TestListSecretsFilters(t *testing.T) {
	e := listed(t)
	if err := e.svc.SetManaged(wire.DefaultAccount, "us-east-1", "dev/orders", secretsmanager.Managed{OwningService: "rds", PrimaryRegion: "us-east-1"}); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ filters, want string }{
		"none":             {"", "prod/orders prod/users dev/orders Prod/other"},
		"name":             {"name=prod/", "prod/orders prod/users"},
		"name has case":    {"name=Prod", "Prod/other"},
		"values are or":    {"name=dev,Prod", "dev/orders Prod/other"},
		"filters are and":  {"name=prod;tag-value=prod;name=prod/u", "prod/users"},
		"negation":         {"name=!prod", "dev/orders Prod/other"},
		"not and yes":      {"name=prod,!prod/u", "prod/orders"},
		"description":      {"description=ORDERS", "prod/orders dev/orders"},
		"tag key":          {"tag-key=own", "Prod/other"},
		"tag key has case": {"tag-key=Env", ""},
		"tag value":        {"tag-value=prod", "prod/orders prod/users"},
		"owning service":   {"owning-service=rds", "dev/orders"},
		"primary region":   {"primary-region=us-", "dev/orders"},
		"all":              {"all=ORDERS prod", "prod/orders"},
		"all tags":         {"all=blue", "Prod/other"},
		"all nothing":      {"all=xyzzy", ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := &sm.ListSecretsInput{}
			for f := range strings.SplitSeq(test.filters, ";") {
				if key, values, ok := strings.Cut(f, "="); ok {
					in.Filters = append(in.Filters, types.Filter{Key: types.FilterNameStringType(key), Values: strings.Split(values, ",")})
				}
			}
			var got []string
			for _, s := range must[*sm.ListSecretsOutput](t)(e.ListSecrets(t.Context(), in)).SecretList {
				got = append(got, *s.Name)
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("got %v, want %s", got, test.want)
			}
		})
	}
}

func TestListSecretsOrder(t *testing.T) {
	e := listed(t)
	_ = must[*sm.GetSecretValueOutput](t)(e.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: aws.String("prod/users")}))
	e.put(t, "prod/orders", "w")
	for by, want := range map[types.SortByType]string{
		"":                   "prod/orders prod/users dev/orders Prod/other",
		"created-date":       "prod/orders prod/users dev/orders Prod/other",
		"name":               "Prod/other dev/orders prod/orders prod/users",
		"last-changed-date":  "prod/users dev/orders Prod/other prod/orders",
		"last-accessed-date": "prod/orders dev/orders Prod/other prod/users",
	} {
		for _, desc := range []bool{false, true} {
			in := &sm.ListSecretsInput{SortBy: by}
			want := strings.Fields(want)
			if desc {
				in.SortOrder = types.SortOrderTypeDesc
				for i, j := 0, len(want)-1; i < j; i, j = i+1, j-1 {
					want[i], want[j] = want[j], want[i]
				}
			}
			var got []string
			for _, s := range must[*sm.ListSecretsOutput](t)(e.ListSecrets(t.Context(), in)).SecretList {
				got = append(got, *s.Name)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s desc=%v: %s", by, desc, diff)
			}
		}
	}
	list := must[*sm.ListSecretsOutput](t)(e.ListSecrets(t.Context(), &sm.ListSecretsInput{})).SecretList
	if len(list[0].SecretVersionsToStages) != 2 || *list[0].Tags[0].Value != "prod" {
		t.Errorf("%+v", list[0])
	}
}

func TestListSecretsPages(t *testing.T) {
	e := setup(t)
	for i := range 7 {
		e.create(t, fmt.Sprint("s", i), "v")
		e.clock.add(time.Second)
	}
	var got []string
	pages := 0
	p := sm.NewListSecretsPaginator(e.Client, &sm.ListSecretsInput{MaxResults: aws.Int32(3)})
	for p.HasMorePages() {
		pages++
		for _, s := range must[*sm.ListSecretsOutput](t)(p.NextPage(t.Context())).SecretList {
			got = append(got, *s.Name)
		}
	}
	if strings.Join(got, "") != "s0s1s2s3s4s5s6" || pages != 3 {
		t.Errorf("%d pages, %v", pages, got)
	}
}

func TestListSecretsRefuses(t *testing.T) {
	e := setup(t)
	f := func(key string, values ...string) *sm.ListSecretsInput {
		return &sm.ListSecretsInput{Filters: []types.Filter{{Key: types.FilterNameStringType(key), Values: values}}}
	}
	for name, test := range map[string]struct {
		in            *sm.ListSecretsInput
		code, message string
	}{
		"key":       {f("nme", "a"), "ValidationException", "Member must satisfy enum value set"},
		"no value":  {f("name"), "InvalidParameterException", "Invalid filter values for key: name"},
		"character": {f("name", "a*"), "ValidationException", "pattern"},
		"long":      {f("name", strings.Repeat("a", 513)), "ValidationException", "512"},
		"values":    {f("name", strings.Split(strings.Repeat("a ", 10)+"a", " ")...), "ValidationException", "10"},
		"filters":   {&sm.ListSecretsInput{Filters: make([]types.Filter, 11)}, "ValidationException", "10"},
		"max":       {&sm.ListSecretsInput{MaxResults: aws.Int32(0)}, "ValidationException", "greater than or equal to 1"},
		"order":     {&sm.ListSecretsInput{SortOrder: "up"}, "ValidationException", "[asc, desc]"},
		"by":        {&sm.ListSecretsInput{SortBy: "size"}, "ValidationException", "'sortBy'"},
		"token":     {&sm.ListSecretsInput{NextToken: aws.String("!")}, "InvalidNextTokenException", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.ListSecrets(t.Context(), test.in)
			wantError(t, err, test.code, test.message)
		})
	}
}

func TestBatchGetSecretValue(t *testing.T) {
	e := listed(t)
	_ = must[*sm.CreateSecretOutput](t)(e.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: aws.String("prod/empty")}))
	_ = must[*sm.DeleteSecretOutput](t)(e.DeleteSecret(t.Context(), &sm.DeleteSecretInput{SecretId: aws.String("dev/orders")}))
	out := must[*sm.BatchGetSecretValueOutput](t)(e.BatchGetSecretValue(t.Context(), &sm.BatchGetSecretValueInput{
		SecretIdList: []string{"prod/users", "nope", "prod/empty", "dev/orders"},
	}))
	if len(out.SecretValues) != 1 || *out.SecretValues[0].SecretString != "v" {
		t.Errorf("%+v", out.SecretValues)
	}
	var codes []string
	for _, e := range out.Errors {
		codes = append(codes, *e.SecretId+" "+*e.ErrorCode)
	}
	want := []string{"nope ResourceNotFoundException", "prod/empty ResourceNotFoundException", "dev/orders InvalidRequestException"}
	if diff := cmp.Diff(want, codes); diff != "" {
		t.Error(diff)
	}
	filters := []types.Filter{{Key: "name", Values: []string{"prod/"}}}
	out = must[*sm.BatchGetSecretValueOutput](t)(e.BatchGetSecretValue(t.Context(), &sm.BatchGetSecretValueInput{Filters: filters, MaxResults: aws.Int32(2)}))
	if len(out.SecretValues) != 2 || out.NextToken == nil {
		t.Errorf("%+v", out)
	}
	out = must[*sm.BatchGetSecretValueOutput](t)(e.BatchGetSecretValue(t.Context(), &sm.BatchGetSecretValueInput{Filters: filters, NextToken: out.NextToken}))
	if len(out.Errors) != 1 || out.NextToken != nil {
		t.Errorf("%+v", out)
	}
	for name, in := range map[string]*sm.BatchGetSecretValueInput{
		"neither": {}, "both": {Filters: filters, SecretIdList: []string{"a"}},
		"max": {SecretIdList: []string{"a"}, MaxResults: aws.Int32(1)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.BatchGetSecretValue(t.Context(), in)
			wantError(t, err, "InvalidParameterException", "Filters")
		})
	}
	_, err := e.BatchGetSecretValue(t.Context(), &sm.BatchGetSecretValueInput{SecretIdList: make([]string, 21)})
	wantError(t, err, "ValidationException", "20")
}
