package secretsmanager_test

import (
	"regexp"
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

func TestCreateDescribeGet(t *testing.T) {
	e := setup(t)
	out := must[*sm.CreateSecretOutput](t)(e.CreateSecret(t.Context(), &sm.CreateSecretInput{
		Name: aws.String("prod/db"), SecretString: aws.String("s3cret"), Description: aws.String("the database"),
		KmsKeyId: aws.String("alias/k"), ClientRequestToken: aws.String(token(1)),
		Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("blue")}},
	}))
	if !regexp.MustCompile(`^arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db-[A-Za-z0-9]{6}$`).MatchString(*out.ARN) {
		t.Errorf("ARN %s", *out.ARN)
	}
	if *out.VersionId != token(1) {
		t.Errorf("version %s", *out.VersionId)
	}
	described := must[*sm.DescribeSecretOutput](t)(e.DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: out.ARN}))
	if !described.CreatedDate.Equal(e.clock.Now()) || !described.LastChangedDate.Equal(e.clock.Now()) {
		t.Errorf("dates %v %v", described.CreatedDate, described.LastChangedDate)
	}
	if *described.Description != "the database" || *described.KmsKeyId != "alias/k" || *described.Tags[0].Value != "blue" {
		t.Errorf("described %+v", described)
	}
	if described.LastAccessedDate != nil || described.RotationEnabled != nil || described.DeletedDate != nil {
		t.Errorf("members without a value are there: %+v", described)
	}
	e.clock.add(time.Hour)
	got := must[*sm.GetSecretValueOutput](t)(e.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: aws.String("prod/db")}))
	if *got.SecretString != "s3cret" || *got.VersionId != token(1) || !got.CreatedDate.Equal(*described.CreatedDate) {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff([]string{"AWSCURRENT"}, got.VersionStages); diff != "" {
		t.Error(diff)
	}
	described = must[*sm.DescribeSecretOutput](t)(e.DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: out.ARN}))
	if want := e.clock.Now().Truncate(24 * time.Hour); described.LastAccessedDate == nil || !described.LastAccessedDate.Equal(want) {
		t.Errorf("last accessed %v, want the day %v", described.LastAccessedDate, want)
	}
}

func TestBinary(t *testing.T) {
	e := setup(t)
	value := []byte{0, 1, 0xff}
	_ = must[*sm.CreateSecretOutput](t)(e.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: aws.String("b"), SecretBinary: value}))
	got := must[*sm.GetSecretValueOutput](t)(e.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: aws.String("b")}))
	if string(got.SecretBinary) != string(value) || got.SecretString != nil {
		t.Errorf("got %+v", got)
	}
}

func TestCreateWithoutValue(t *testing.T) {
	e := setup(t)
	out := must[*sm.CreateSecretOutput](t)(e.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: aws.String("empty")}))
	if out.VersionId != nil {
		t.Errorf("version %s", *out.VersionId)
	}
	_, err := e.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: aws.String("empty")})
	wantError(t, err, "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT")
	// The first version is the current one, whatever labels it is given.
	id := e.put(t, "empty", "v", "AWSPENDING")
	if diff := cmp.Diff(map[string]string{"AWSCURRENT": id, "AWSPENDING": id}, e.labels(t, "empty")); diff != "" {
		t.Error(diff)
	}
}

func TestCreateRefuses(t *testing.T) {
	e := setup(t)
	e.create(t, "taken", "v")
	long := strings.Repeat("x", 65537)
	for name, test := range map[string]struct {
		in            sm.CreateSecretInput
		code, message string
	}{
		"character":   {sm.CreateSecretInput{Name: aws.String("a b")}, "ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!"},
		"no name":     {sm.CreateSecretInput{Name: aws.String("")}, "ValidationException", "'name'"},
		"long name":   {sm.CreateSecretInput{Name: aws.String(strings.Repeat("x", 513))}, "ValidationException", "less than or equal to 512"},
		"short token": {sm.CreateSecretInput{Name: aws.String("n"), SecretString: aws.String("v"), ClientRequestToken: aws.String("short")}, "InvalidParameterException", "ClientRequestToken must be 32-64 characters long."},
		"long token":  {sm.CreateSecretInput{Name: aws.String("n"), SecretString: aws.String("v"), ClientRequestToken: aws.String(strings.Repeat("x", 65))}, "InvalidParameterException", "32-64"},
		"too large":   {sm.CreateSecretInput{Name: aws.String("n"), SecretString: &long}, "ValidationException", "less than or equal to 65536"},
		"too large b": {sm.CreateSecretInput{Name: aws.String("n"), SecretBinary: []byte(long)}, "ValidationException", "less than or equal to 65536"},
		"two values":  {sm.CreateSecretInput{Name: aws.String("n"), SecretString: aws.String("a"), SecretBinary: []byte("b")}, "InvalidParameterException", "both"},
		"taken":       {sm.CreateSecretInput{Name: aws.String("taken"), SecretString: aws.String("v")}, "ResourceExistsException", "The operation failed because the secret taken already exists."},
		"description": {sm.CreateSecretInput{Name: aws.String("n"), Description: aws.String(strings.Repeat("d", 2049))}, "ValidationException", "'description'"},
		"aws tag":     {sm.CreateSecretInput{Name: aws.String("n"), Tags: []types.Tag{{Key: aws.String("aws:x"), Value: aws.String("")}}}, "InvalidParameterException", "reserved"},
		"same tag": {
			sm.CreateSecretInput{Name: aws.String("n"), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("")}, {Key: aws.String("k"), Value: aws.String("")}}},
			"InvalidParameterException", "more than once",
		},
		"many tags": {sm.CreateSecretInput{Name: aws.String("n"), Tags: make([]types.Tag, 51)}, "InvalidParameterException", "at most 50"},
		"replicas":  {sm.CreateSecretInput{Name: aws.String("n"), AddReplicaRegions: []types.ReplicaRegionType{{Region: aws.String("eu-west-1")}}}, "InvalidParameterException", "does not replicate"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.CreateSecret(t.Context(), &test.in)
			wantError(t, err, test.code, test.message)
			if strings.Contains(err.Error(), long[:100]) {
				t.Error("the error repeats the value")
			}
		})
	}
	// Exactly the limits are fine.
	e.create(t, strings.Repeat("n", 512), long[:65536])
}

func TestCreateIsIdempotent(t *testing.T) {
	e := setup(t)
	in := &sm.CreateSecretInput{Name: aws.String("n"), SecretString: aws.String("v"), ClientRequestToken: aws.String(token(1))}
	first := must[*sm.CreateSecretOutput](t)(e.CreateSecret(t.Context(), in))
	again := must[*sm.CreateSecretOutput](t)(e.CreateSecret(t.Context(), in))
	if *first.ARN != *again.ARN || *again.VersionId != token(1) {
		t.Errorf("again: %+v", again)
	}
	in.SecretString = aws.String("other")
	_, err := e.CreateSecret(t.Context(), in)
	wantError(t, err, "ResourceExistsException", "You can't use ClientRequestToken "+token(1))
}

// Only raw requests lack the token; the codes differ between the operations.
func TestTokenIsRequired(t *testing.T) {
	e := setup(t)
	e.create(t, "n", "v")
	for _, test := range []struct{ operation, body, code string }{
		{"CreateSecret", `{"Name":"m","SecretString":"v"}`, "InvalidRequestException"},
		{"PutSecretValue", `{"SecretId":"n","SecretString":"v"}`, "InvalidRequestException"},
		{"UpdateSecret", `{"SecretId":"n","SecretString":"v"}`, "InvalidRequestException"},
		{"RotateSecret", `{"SecretId":"n"}`, "InvalidParameterException"},
	} {
		status, body := e.raw(t, test.operation, test.body)
		want := `{"Message":"You must provide a ClientRequestToken value. We recommend a UUID-type value.","__type":"` + test.code + `"}`
		if status != 400 || body != want {
			t.Errorf("%s: %d %s", test.operation, status, body)
		}
	}
}

func TestWireFormat(t *testing.T) {
	e := setup(t)
	for _, test := range []struct{ operation, body, want string }{
		{"DescribeSecret", `{}`, `Value null at 'secretId' failed to satisfy constraint: Member must not be null`},
		{"DescribeSecret", `{"SecretId":7}`, `SerializationException`},
		{"PutSecretValue", `{"SecretId":"n","SecretString":"v","VersionStages":[]}`, `ValidationException`},
		{"ReplicateSecretToRegions", `{}`, `UnknownOperationException`},
		{"TagResource", `{"SecretId":"n"}`, `ValidationException`},
		{"UntagResource", `{"SecretId":"n"}`, `ValidationException`},
		{"ListSecrets", `{"Filters":[{"Values":["a"]}]}`, `Invalid filter key`},
	} {
		if status, body := e.raw(t, test.operation, test.body); status != 400 || !strings.Contains(body, test.want) {
			t.Errorf("%s: %d %s", test.operation, status, body)
		}
	}
	e.create(t, "n", "v")
	// Dates are numbers of seconds.
	if _, body := e.raw(t, "DescribeSecret", `{"SecretId":"n"}`); !strings.Contains(body, `"CreatedDate":1772600767.25`) {
		t.Error(body)
	}
}

func TestFindByARN(t *testing.T) {
	e := setup(t)
	arn, _ := e.create(t, "path/name", "v")
	other, _ := e.create(t, "path/name-abcdef", "w")
	partial := arn[:len(arn)-7]
	for id, want := range map[string]string{
		"path/name": arn, arn: arn, partial: arn,
		"path/name-abcdef": other, other: other, other[:len(other)-7]: "",
		partial + "-zzzzzz": "", strings.Replace(arn, "us-east-1", "us-east-2", 1): "",
		strings.Replace(arn, "123456789012", "000000000000", 1): "", "path/nam": "", "arn:aws:s3:::x": "",
	} {
		out, err := e.DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: &id})
		if want == "" {
			wantError(t, err, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
		} else if err != nil || *out.ARN != want {
			t.Errorf("%s: %v %v", id, out, err)
		}
	}
}

func TestScopes(t *testing.T) {
	e := setup(t)
	e.create(t, "n", "here")
	for name, c := range map[string]*sm.Client{
		"region":  e.client("eu-west-1", "app"),
		"account": e.client("us-east-1", "999999999999"),
	} {
		_, err := c.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: aws.String("n")})
		wantError(t, err, "ResourceNotFoundException", "")
		out := must[*sm.CreateSecretOutput](t)(c.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: aws.String("n")}))
		if !strings.Contains(*out.ARN, "eu-west-1:123456789012") && !strings.Contains(*out.ARN, "us-east-1:999999999999") {
			t.Errorf("%s: %s", name, *out.ARN)
		}
	}
	china := must[*sm.CreateSecretOutput](t)(e.client("cn-north-1", "x").CreateSecret(t.Context(), &sm.CreateSecretInput{Name: aws.String("n")}))
	if !strings.HasPrefix(*china.ARN, "arn:aws-cn:") {
		t.Error(*china.ARN)
	}
	same := must[*sm.GetSecretValueOutput](t)(e.client("us-east-1", "other").GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: aws.String("n")}))
	if *same.SecretString != "here" {
		t.Errorf("%+v", same)
	}
}

func TestDeleteAndRestore(t *testing.T) {
	e := setup(t)
	arn, version := e.create(t, "n", "v")
	id := aws.String("n")
	for _, days := range []int64{6, 31, 0, -1} {
		_, err := e.DeleteSecret(t.Context(), &sm.DeleteSecretInput{SecretId: id, RecoveryWindowInDays: &days})
		wantError(t, err, "InvalidParameterException", "RecoveryWindowInDays value must be between 7 and 30 days (inclusive)")
	}
	_, err := e.DeleteSecret(t.Context(), &sm.DeleteSecretInput{SecretId: id, RecoveryWindowInDays: aws.Int64(7), ForceDeleteWithoutRecovery: aws.Bool(true)})
	wantError(t, err, "InvalidParameterException", "ForceDeleteWithoutRecovery")

	deleted := must[*sm.DeleteSecretOutput](t)(e.DeleteSecret(t.Context(), &sm.DeleteSecretInput{SecretId: id, RecoveryWindowInDays: aws.Int64(7)}))
	if want := e.clock.Now().AddDate(0, 0, 7); !deleted.DeletionDate.Equal(want) || *deleted.ARN != arn {
		t.Errorf("deleted %+v", deleted)
	}
	marked := "You can't perform this operation on the secret because it was marked for deletion."
	for name, call := range map[string]func() error{
		"get": func() error {
			_, err := e.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: id})
			return err
		},
		"put": func() error {
			_, err := e.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: id, SecretString: aws.String("x")})
			return err
		},
		"update": func() error {
			_, err := e.UpdateSecret(t.Context(), &sm.UpdateSecretInput{SecretId: id})
			return err
		},
		"stage": func() error {
			_, err := e.UpdateSecretVersionStage(t.Context(), &sm.UpdateSecretVersionStageInput{SecretId: id, VersionStage: aws.String("X"), MoveToVersionId: &version})
			return err
		},
		"rotate": func() error {
			_, err := e.RotateSecret(t.Context(), &sm.RotateSecretInput{SecretId: id, RotationLambdaARN: aws.String("f")})
			return err
		},
		"cancel": func() error {
			_, err := e.CancelRotateSecret(t.Context(), &sm.CancelRotateSecretInput{SecretId: id})
			return err
		},
		"tag": func() error {
			_, err := e.TagResource(t.Context(), &sm.TagResourceInput{SecretId: id, Tags: []types.Tag{}})
			return err
		},
		"untag": func() error {
			_, err := e.UntagResource(t.Context(), &sm.UntagResourceInput{SecretId: id, TagKeys: []string{}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, call(), "InvalidRequestException", marked) })
	}
	_, err = e.DeleteSecret(t.Context(), &sm.DeleteSecretInput{SecretId: id})
	wantError(t, err, "InvalidRequestException", "already scheduled for deletion")
	_, err = e.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: id})
	wantError(t, err, "InvalidRequestException", "You can't create this secret because a secret with this name is already scheduled for deletion.")

	described := must[*sm.DescribeSecretOutput](t)(e.DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: id}))
	if described.DeletedDate == nil {
		t.Error("no DeletedDate")
	}
	if list := e.versions(t, "n", false); len(list) != 1 {
		t.Errorf("versions %v", list)
	}
	for planned, want := range map[bool]int{false: 0, true: 1} {
		out := must[*sm.ListSecretsOutput](t)(e.ListSecrets(t.Context(), &sm.ListSecretsInput{IncludePlannedDeletion: &planned}))
		if len(out.SecretList) != want {
			t.Errorf("planned deletion %v: %d", planned, len(out.SecretList))
		}
	}
	_ = must[*sm.RestoreSecretOutput](t)(e.RestoreSecret(t.Context(), &sm.RestoreSecretInput{SecretId: id}))
	got := must[*sm.GetSecretValueOutput](t)(e.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: id}))
	if *got.SecretString != "v" {
		t.Errorf("restored %+v", got)
	}

	// When the window is over the secret is gone.
	_ = must[*sm.DeleteSecretOutput](t)(e.DeleteSecret(t.Context(), &sm.DeleteSecretInput{SecretId: id}))
	e.clock.add(30*24*time.Hour + time.Second)
	_, err = e.RestoreSecret(t.Context(), &sm.RestoreSecretInput{SecretId: id})
	wantError(t, err, "ResourceNotFoundException", "")
	if again, _ := e.create(t, "n", "v"); again == arn {
		t.Error("the new secret has the old one's ARN")
	}
	// By force it is gone at once, and doing it again is no error.
	for range 2 {
		_ = must[*sm.DeleteSecretOutput](t)(e.DeleteSecret(t.Context(), &sm.DeleteSecretInput{SecretId: id, ForceDeleteWithoutRecovery: aws.Bool(true)}))
	}
	_, err = e.DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: id})
	wantError(t, err, "ResourceNotFoundException", "")
	_, err = e.DeleteSecret(t.Context(), &sm.DeleteSecretInput{SecretId: id})
	wantError(t, err, "ResourceNotFoundException", "")
}

func TestTags(t *testing.T) {
	e := setup(t)
	e.create(t, "n", "v")
	tags := func() []types.Tag {
		return must[*sm.DescribeSecretOutput](t)(e.DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: aws.String("n")})).Tags
	}
	if tags() != nil {
		t.Error("tags before any")
	}
	add := func(kv ...string) {
		in := &sm.TagResourceInput{SecretId: aws.String("n")}
		for i := 0; i < len(kv); i += 2 {
			in.Tags = append(in.Tags, types.Tag{Key: &kv[i], Value: &kv[i+1]})
		}
		_ = must[*sm.TagResourceOutput](t)(e.TagResource(t.Context(), in))
	}
	add("a", "1", "b", "2")
	add("a", "3")
	if got := tags(); len(got) != 2 || *got[0].Value != "3" || *got[1].Value != "2" {
		t.Errorf("%+v", got)
	}
	_ = must[*sm.UntagResourceOutput](t)(e.UntagResource(t.Context(), &sm.UntagResourceInput{SecretId: aws.String("n"), TagKeys: []string{"a", "b", "never"}}))
	// Once tagged, a secret has an empty list of tags rather than none.
	if _, body := e.raw(t, "DescribeSecret", `{"SecretId":"n"}`); !strings.Contains(body, `"Tags":[]`) {
		t.Errorf("want an empty list: %s", body)
	}
	for i := range 50 {
		add(string(rune('A'+i)), "")
	}
	_, err := e.TagResource(t.Context(), &sm.TagResourceInput{SecretId: aws.String("n"), Tags: []types.Tag{{Key: aws.String("51"), Value: aws.String("")}}})
	wantError(t, err, "InvalidParameterException", "at most 50 tags")
}

func TestManagedSecrets(t *testing.T) {
	e := setup(t)
	_, version := e.create(t, "rds!db-1", "v")
	if err := e.svc.SetManaged("123456789012", "us-east-1", "nope", secretsmanager.Managed{}); err == nil {
		t.Error("unknown secret accepted")
	}
	set := func(m secretsmanager.Managed) {
		t.Helper()
		if err := e.svc.SetManaged(wire.DefaultAccount, "us-east-1", "rds!db-1", m); err != nil {
			t.Fatal(err)
		}
	}
	calls := map[string]func() error{
		"put": func() error {
			_, err := e.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: aws.String("rds!db-1"), SecretString: aws.String("x")})
			return err
		},
		"update": func() error {
			_, err := e.UpdateSecret(t.Context(), &sm.UpdateSecretInput{SecretId: aws.String("rds!db-1")})
			return err
		},
		"stage": func() error {
			_, err := e.UpdateSecretVersionStage(t.Context(), &sm.UpdateSecretVersionStageInput{SecretId: aws.String("rds!db-1"), VersionStage: aws.String("X"), MoveToVersionId: &version})
			return err
		},
		"delete": func() error {
			_, err := e.DeleteSecret(t.Context(), &sm.DeleteSecretInput{SecretId: aws.String("rds!db-1")})
			return err
		},
	}
	set(secretsmanager.Managed{OwningService: "rds", Tags: map[string]string{"aws:rds:primaryDBInstanceArn": "arn:x"}})
	out := must[*sm.DescribeSecretOutput](t)(e.DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: aws.String("rds!db-1")}))
	if *out.OwningService != "rds" || *out.Tags[0].Key != "aws:rds:primaryDBInstanceArn" {
		t.Errorf("%+v", out)
	}
	for name, call := range calls {
		t.Run("managed "+name, func(t *testing.T) { wantError(t, call(), "InvalidRequestException", "managed by another service") })
	}
	set(secretsmanager.Managed{PrimaryRegion: "eu-west-1"})
	for name, call := range calls {
		t.Run("replica "+name, func(t *testing.T) { wantError(t, call(), "InvalidParameterException", "replica secret") })
	}
	_, err := e.TagResource(t.Context(), &sm.TagResourceInput{SecretId: aws.String("rds!db-1"), Tags: []types.Tag{}})
	wantError(t, err, "InvalidParameterException", "replica secret")
	set(secretsmanager.Managed{PrimaryRegion: "us-east-1", Replicas: []secretsmanager.Replica{{Region: "eu-west-1", Status: "InSync"}}})
	wantError(t, calls["delete"](), "InvalidParameterException", "still has replica regions")
	if err := calls["put"](); err != nil {
		t.Error(err)
	}
	out = must[*sm.DescribeSecretOutput](t)(e.DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: aws.String("rds!db-1")}))
	if *out.PrimaryRegion != "us-east-1" || out.ReplicationStatus[0].Status != types.StatusTypeInSync {
		t.Errorf("%+v", out)
	}
}
