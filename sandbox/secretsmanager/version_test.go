package secretsmanager_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/sandbox/secretsmanager"
)

func TestPutMovesLabels(t *testing.T) {
	e := setup(t)
	_, v1 := e.create(t, "n", "1")
	steps := []struct {
		labels []string
		want   map[string]int // label -> version number
	}{
		{[]string{"AWSPENDING"}, map[string]int{"AWSCURRENT": 1, "AWSPENDING": 2}},
		{nil, map[string]int{"AWSCURRENT": 3, "AWSPREVIOUS": 1, "AWSPENDING": 2}},
		{[]string{"AWSCURRENT", "MINE"}, map[string]int{"AWSCURRENT": 4, "AWSPREVIOUS": 3, "AWSPENDING": 2, "MINE": 4}},
		{[]string{"MINE", "AWSPENDING"}, map[string]int{"AWSCURRENT": 4, "AWSPREVIOUS": 3, "AWSPENDING": 5, "MINE": 5}},
		// What AWSCURRENT leaves behind is AWSPREVIOUS, whatever is asked.
		{[]string{"AWSCURRENT", "AWSPREVIOUS"}, map[string]int{"AWSCURRENT": 6, "AWSPREVIOUS": 4, "AWSPENDING": 5, "MINE": 5}},
	}
	ids := []string{"", v1}
	for i, step := range steps {
		ids = append(ids, e.put(t, "n", fmt.Sprint(i+2), step.labels...))
		want := map[string]string{}
		for label, n := range step.want {
			want[label] = ids[n]
		}
		if diff := cmp.Diff(want, e.labels(t, "n")); diff != "" {
			t.Errorf("step %d: %s", i, diff)
		}
	}
	// Versions without labels are listed only on request.
	if got := len(e.versions(t, "n", false)); got != 3 {
		t.Errorf("%d labelled versions", got)
	}
	if got := e.versions(t, "n", true); len(got) != 6 || got[0] != v1+":" {
		t.Errorf("versions %v", got)
	}
}

func TestPutIsIdempotent(t *testing.T) {
	e := setup(t)
	arn, _ := e.create(t, "n", "1")
	in := &sm.PutSecretValueInput{SecretId: &arn, SecretString: aws.String("2"), ClientRequestToken: aws.String(token(2)), VersionStages: []string{"AWSPENDING"}}
	for range 2 {
		out := must[*sm.PutSecretValueOutput](t)(e.PutSecretValue(t.Context(), in))
		if *out.VersionId != token(2) || !slices.Equal(out.VersionStages, []string{"AWSPENDING"}) {
			t.Errorf("%+v", out)
		}
	}
	// The same value under other labels still does nothing.
	in.VersionStages = nil
	out := must[*sm.PutSecretValueOutput](t)(e.PutSecretValue(t.Context(), in))
	if !slices.Equal(out.VersionStages, []string{"AWSPENDING"}) {
		t.Errorf("%+v", out)
	}
	in.SecretString = aws.String("other")
	_, err := e.PutSecretValue(t.Context(), in)
	wantError(t, err, "ResourceExistsException", "You can't use ClientRequestToken "+token(2)+" because that value is already in use for a version of secret "+arn+".")
	in.SecretString, in.SecretBinary = nil, []byte("2")
	_, err = e.PutSecretValue(t.Context(), in)
	wantError(t, err, "ResourceExistsException", "")
}

func TestPutRefuses(t *testing.T) {
	e := setup(t)
	e.create(t, "n", "1")
	labels := make([]string, 21)
	for i := range labels {
		labels[i] = fmt.Sprint("L", i)
	}
	for name, test := range map[string]struct {
		in            sm.PutSecretValueInput
		code, message string
	}{
		"no secret":   {sm.PutSecretValueInput{SecretId: aws.String("x"), SecretString: aws.String("v")}, "ResourceNotFoundException", "Secrets Manager can't find the specified secret."},
		"no value":    {sm.PutSecretValueInput{SecretId: aws.String("n")}, "InvalidRequestException", "You must provide either SecretString or SecretBinary."},
		"empty value": {sm.PutSecretValueInput{SecretId: aws.String("n"), SecretString: aws.String("")}, "InvalidRequestException", "You must provide either SecretString or SecretBinary."},
		"two values":  {sm.PutSecretValueInput{SecretId: aws.String("n"), SecretString: aws.String("a"), SecretBinary: []byte("b")}, "InvalidParameterException", "both"},
		"token":       {sm.PutSecretValueInput{SecretId: aws.String("n"), SecretString: aws.String("a"), ClientRequestToken: aws.String(strings.Repeat("a", 31))}, "InvalidParameterException", "32-64"},
		"labels":      {sm.PutSecretValueInput{SecretId: aws.String("n"), SecretString: aws.String("a"), VersionStages: labels}, "ValidationException", "less than or equal to 20"},
		"long label":  {sm.PutSecretValueInput{SecretId: aws.String("n"), SecretString: aws.String("a"), VersionStages: []string{strings.Repeat("L", 257)}}, "ValidationException", "256"},
		"size":        {sm.PutSecretValueInput{SecretId: aws.String("n"), SecretString: aws.String(strings.Repeat("é", 32769))}, "ValidationException", "65536"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.PutSecretValue(t.Context(), &test.in)
			wantError(t, err, test.code, test.message)
		})
	}
	e.put(t, "n", strings.Repeat("é", 32768), labels[:20]...)
}

func TestUpdateSecret(t *testing.T) {
	e := setup(t)
	_, v1 := e.create(t, "n", "1")
	e.clock.add(time.Minute)
	out := must[*sm.UpdateSecretOutput](t)(e.UpdateSecret(t.Context(), &sm.UpdateSecretInput{SecretId: aws.String("n"), Description: aws.String("d"), KmsKeyId: aws.String("k")}))
	if out.VersionId != nil {
		t.Errorf("a version without a value: %s", *out.VersionId)
	}
	described := must[*sm.DescribeSecretOutput](t)(e.DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: aws.String("n")}))
	if *described.Description != "d" || *described.KmsKeyId != "k" || !described.LastChangedDate.Equal(e.clock.Now()) {
		t.Errorf("%+v", described)
	}
	in := &sm.UpdateSecretInput{SecretId: aws.String("n"), SecretString: aws.String("2"), ClientRequestToken: aws.String(token(2))}
	_ = must[*sm.UpdateSecretOutput](t)(e.UpdateSecret(t.Context(), in))
	if diff := cmp.Diff(map[string]string{"AWSCURRENT": token(2), "AWSPREVIOUS": v1}, e.labels(t, "n")); diff != "" {
		t.Error(diff)
	}
	// Unlike PutSecretValue, the same again is an error.
	_, err := e.UpdateSecret(t.Context(), in)
	wantError(t, err, "ResourceExistsException", "already in use")
	_, err = e.UpdateSecret(t.Context(), &sm.UpdateSecretInput{SecretId: aws.String("x")})
	wantError(t, err, "ResourceNotFoundException", "")
}

func TestUpdateSecretVersionStage(t *testing.T) {
	// Every case starts from: 1 AWSPREVIOUS, 2 AWSCURRENT, 3 AWSPENDING, 4
	// nothing.
	for name, test := range map[string]struct {
		label         string
		from, to      int // 0: absent
		code, message string
		want          map[string]int
	}{
		"attach a free label":     {label: "X", to: 4, want: map[string]int{"X": 4}},
		"attach it where it is":   {label: "AWSCURRENT", to: 2},
		"move to where it is":     {label: "AWSCURRENT", from: 2, to: 2},
		"finish a rotation":       {label: "AWSCURRENT", from: 2, to: 3, want: map[string]int{"AWSCURRENT": 3, "AWSPREVIOUS": 2}},
		"roll back":               {label: "AWSCURRENT", from: 2, to: 1, want: map[string]int{"AWSCURRENT": 1, "AWSPREVIOUS": 2}},
		"move pending":            {label: "AWSPENDING", from: 3, to: 4, want: map[string]int{"AWSPENDING": 4}},
		"drop pending":            {label: "AWSPENDING", from: 3, want: map[string]int{"AWSPENDING": 0}},
		"drop previous":           {label: "AWSPREVIOUS", from: 1, want: map[string]int{"AWSPREVIOUS": 0}},
		"swap without compare":    {label: "AWSPENDING", to: 4, code: "InvalidParameterException", message: "The parameter RemoveFromVersionId can't be empty. Staging label AWSPENDING is currently attached to version " + token(3) + ", so you must explicitly reference that version in RemoveFromVersionId."},
		"compare fails":           {label: "AWSPENDING", from: 2, to: 4, code: "InvalidParameterException", message: "AWSPENDING"},
		"current compare fails":   {label: "AWSCURRENT", from: 1, to: 3, code: "InvalidParameterException", message: "AWSCURRENT"},
		"remove from wrong":       {label: "AWSPENDING", from: 1, code: "InvalidParameterException", message: "AWSPENDING"},
		"remove from nowhere":     {label: "X", from: 1, code: "InvalidParameterException", message: "X"},
		"remove unknown version":  {label: "AWSPENDING", from: 9, code: "InvalidParameterException", message: "AWSPENDING"},
		"remove current":          {label: "AWSCURRENT", from: 2, code: "InvalidParameterException", message: "It can't be completely removed."},
		"to an unknown version":   {label: "X", to: 9, code: "ResourceNotFoundException", message: token(9)},
		"move to unknown version": {label: "AWSCURRENT", from: 2, to: 9, code: "ResourceNotFoundException", message: token(9)},
		"neither":                 {label: "X", code: "InvalidParameterException", message: "RemoveFromVersionId"},
		"empty label":             {label: "", to: 4, code: "ValidationException", message: "'versionStage'"},
		"long label":              {label: strings.Repeat("x", 257), to: 4, code: "ValidationException", message: "'versionStage'"},
	} {
		t.Run(name, func(t *testing.T) {
			e := setup(t)
			for i, labels := range [][]string{nil, nil, {"AWSPENDING"}, {"TEMP"}} {
				_, _ = e.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: aws.String("n")})
				_ = must[*sm.PutSecretValueOutput](t)(e.PutSecretValue(t.Context(), &sm.PutSecretValueInput{
					SecretId: aws.String("n"), SecretString: aws.String("v"), ClientRequestToken: aws.String(token(i + 1)), VersionStages: labels,
				}))
			}
			move := func(label string, from, to int) error {
				in := &sm.UpdateSecretVersionStageInput{SecretId: aws.String("n"), VersionStage: &label}
				if from > 0 {
					in.RemoveFromVersionId = aws.String(token(from))
				}
				if to > 0 {
					in.MoveToVersionId = aws.String(token(to))
				}
				_, err := e.UpdateSecretVersionStage(t.Context(), in)
				return err
			}
			if err := move("TEMP", 4, 0); err != nil {
				t.Fatal(err)
			}
			err := move(test.label, test.from, test.to)
			if test.code != "" {
				wantError(t, err, test.code, test.message)
			} else if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"AWSPREVIOUS": token(1), "AWSCURRENT": token(2), "AWSPENDING": token(3)}
			for label, n := range test.want {
				want[label] = token(n)
				if n == 0 {
					delete(want, label)
				}
			}
			if diff := cmp.Diff(want, e.labels(t, "n")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTwentyLabels(t *testing.T) {
	e := setup(t)
	_, v1 := e.create(t, "n", "1")
	add := func(i int) error {
		_, err := e.UpdateSecretVersionStage(t.Context(), &sm.UpdateSecretVersionStageInput{
			SecretId: aws.String("n"), VersionStage: aws.String(fmt.Sprint("L", i)), MoveToVersionId: &v1,
		})
		return err
	}
	for i := range 19 {
		if err := add(i); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, add(19), "LimitExceededException", "20 staging labels")
}

func TestGetSecretValue(t *testing.T) {
	e := setup(t)
	_, v1 := e.create(t, "n", "1")
	v2 := e.put(t, "n", "2", "AWSPENDING", "X")
	for name, test := range map[string]struct {
		in                  sm.GetSecretValueInput
		want, code, message string
	}{
		"current":        {sm.GetSecretValueInput{}, "1", "", ""},
		"stage":          {sm.GetSecretValueInput{VersionStage: aws.String("AWSPENDING")}, "2", "", ""},
		"version":        {sm.GetSecretValueInput{VersionId: &v2}, "2", "", ""},
		"both":           {sm.GetSecretValueInput{VersionId: &v2, VersionStage: aws.String("X")}, "2", "", ""},
		"mismatch":       {sm.GetSecretValueInput{VersionId: &v1, VersionStage: aws.String("X")}, "", "InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId."},
		"no version":     {sm.GetSecretValueInput{VersionId: aws.String(token(9))}, "", "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: " + token(9)},
		"no version too": {sm.GetSecretValueInput{VersionId: aws.String(token(9)), VersionStage: aws.String("X")}, "", "ResourceNotFoundException", "VersionId"},
		"no stage":       {sm.GetSecretValueInput{VersionStage: aws.String("AWSPREVIOUS")}, "", "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: AWSPREVIOUS"},
		"short version":  {sm.GetSecretValueInput{VersionId: aws.String("v")}, "", "ValidationException", "'versionId'"},
	} {
		t.Run(name, func(t *testing.T) {
			test.in.SecretId = aws.String("n")
			out, err := e.GetSecretValue(t.Context(), &test.in)
			if test.code != "" {
				wantError(t, err, test.code, test.message)
			} else if err != nil || *out.SecretString != test.want {
				t.Errorf("%+v %v", out, err)
			}
		})
	}
}

func TestVersionQuota(t *testing.T) {
	t.Run("unlabelled versions make room", func(t *testing.T) {
		e := setup(t)
		e.create(t, "n", "0")
		for i := range 150 {
			e.put(t, "n", fmt.Sprint(i))
		}
		if got := len(e.versions(t, "n", true)); got != 100 {
			t.Errorf("%d versions", got)
		}
	})
	t.Run("labelled versions stay", func(t *testing.T) {
		e := setup(t)
		_, first := e.create(t, "n", "0")
		for i := range 99 {
			e.put(t, "n", fmt.Sprint(i), fmt.Sprint("L", i))
		}
		_, err := e.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: aws.String("n"), SecretString: aws.String("x")})
		wantError(t, err, "LimitExceededException", "maximum number of versions (100)")
		if labels := e.labels(t, "n"); len(labels) != 100 || labels["AWSCURRENT"] != first {
			t.Errorf("the refused call changed the labels: %d", len(labels))
		}
		_ = must[*sm.UpdateSecretVersionStageOutput](t)(e.UpdateSecretVersionStage(t.Context(), &sm.UpdateSecretVersionStageInput{
			SecretId: aws.String("n"), VersionStage: aws.String("L7"), RemoveFromVersionId: aws.String(e.labels(t, "n")["L7"]),
		}))
		e.put(t, "n", "x")
	})
	t.Run("young versions stay as on AWS", func(t *testing.T) {
		e := setup(t, func(c *secretsmanager.Config) { c.RetainUnlabelled = 24 * time.Hour })
		e.create(t, "n", "0")
		for i := range 99 {
			e.put(t, "n", fmt.Sprint(i))
		}
		put := func() error {
			_, err := e.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: aws.String("n"), SecretString: aws.String("x")})
			return err
		}
		wantError(t, put(), "LimitExceededException", "")
		e.clock.add(24 * time.Hour)
		if err := put(); err != nil {
			t.Error(err)
		}
	})
}

func TestListSecretVersionIDs(t *testing.T) {
	e := setup(t)
	_, v1 := e.create(t, "n", "1")
	v2 := e.put(t, "n", "2", "AWSPENDING")
	_ = must[*sm.GetSecretValueOutput](t)(e.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: aws.String("n")}))
	out := must[*sm.ListSecretVersionIdsOutput](t)(e.ListSecretVersionIds(t.Context(), &sm.ListSecretVersionIdsInput{SecretId: aws.String("n"), MaxResults: aws.Int32(1)}))
	if len(out.Versions) != 1 || *out.Versions[0].VersionId != v1 || out.Versions[0].LastAccessedDate == nil || out.NextToken == nil {
		t.Fatalf("%+v", out)
	}
	if diff := cmp.Diff([]string{"DefaultEncryptionKey"}, out.Versions[0].KmsKeyIds); diff != "" {
		t.Error(diff)
	}
	out = must[*sm.ListSecretVersionIdsOutput](t)(e.ListSecretVersionIds(t.Context(), &sm.ListSecretVersionIdsInput{SecretId: aws.String("n"), NextToken: out.NextToken}))
	if len(out.Versions) != 1 || *out.Versions[0].VersionId != v2 || out.Versions[0].LastAccessedDate != nil || out.NextToken != nil {
		t.Errorf("%+v", out)
	}
	_, err := e.ListSecretVersionIds(t.Context(), &sm.ListSecretVersionIdsInput{SecretId: aws.String("n"), NextToken: aws.String("junk")})
	wantError(t, err, "InvalidNextTokenException", "")
	_, err = e.ListSecretVersionIds(t.Context(), &sm.ListSecretVersionIdsInput{SecretId: aws.String("n"), MaxResults: aws.Int32(101)})
	wantError(t, err, "ValidationException", "'maxResults'")
	_, err = e.ListSecretVersionIds(t.Context(), &sm.ListSecretVersionIdsInput{SecretId: aws.String("x")})
	wantError(t, err, "ResourceNotFoundException", "")
}
