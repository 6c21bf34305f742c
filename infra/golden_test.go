package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/statemachine"
)

func checkGolden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-golden +now); after a review: go test ./infra -update\n%s", file, diff)
	}
}

// TestGoldenTemplate shows in a review what a change deploys. The definition has
// a file of its own and would only be repeated here.
func TestGoldenTemplate(t *testing.T) {
	definition := strings.ReplaceAll(string(statemachine.Rotation), "arn:aws:", "arn:${Partition}:")
	quoted := &bytes.Buffer{}
	enc := json.NewEncoder(quoted)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(definition); err != nil {
		t.Fatal(err)
	}
	for _, tpl := range templates {
		t.Run(tpl.name, func(t *testing.T) {
			got := strings.Replace(string(tpl.src), strings.TrimSpace(quoted.String()), `"(statemachine/rotation.asl.json)"`, 1)
			if got == string(tpl.src) {
				t.Error("the template does not hold the definition as it stands in its file")
			}
			checkGolden(t, tpl.name+".template.json", got)
		})
	}
}

func TestSameBytesTwice(t *testing.T) {
	for _, tpl := range templates {
		again, err := synth(tpl.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(tpl.src, again) {
			t.Errorf("the template of the %s configuration changes from run to run", tpl.name)
		}
	}
}

// TestOtherRotationsStayPut: a schedule or rule that got another logical id would
// be replaced, and a new rate() schedule fires at once.
func TestOtherRotationsStayPut(t *testing.T) {
	const second = "  - secret: b\n    schedule: rate(10 days)\n    strategy: alternating-users\n    superuserSecret: admin\n"
	alone := synthYAML(t, "rotations:\n"+second)
	both := synthYAML(t, "rotations:\n  - secret: a\n    schedule: rate(10 days)\n"+second)
	for id, r := range alone.Resources {
		if both.Resources[id].Type != r.Type {
			t.Errorf("%s (%s) gets another logical id when a rotation is listed before it", id, r.Type)
		}
	}
}

func TestNoPartitionIsAssumed(t *testing.T) {
	for _, tpl := range templates {
		rest := string(tpl.src)
		for _, given := range []string{"arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/billing/app-AbCdEf", "arn:aws:kms:eu-central-1:111122223333:key/"} {
			rest = strings.ReplaceAll(rest, given, "")
		}
		if i := strings.Index(rest, "arn:aws:"); i >= 0 {
			t.Errorf("%s: a literal arn:aws: does not work in GovCloud and China: ...%s...", tpl.name, rest[max(0, i-60):i+60])
		}
	}
}
