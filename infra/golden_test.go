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

// TestGoldenTemplate shows in a review what a change deploys, for the smallest
// configuration; of the example, its permissions (TestGoldenIAM) and alarms are kept.
// The definitions have files of their own and would only be repeated here.
func TestGoldenTemplate(t *testing.T) {
	for _, tpl := range templates {
		t.Run(tpl.name, func(t *testing.T) {
			got := string(tpl.src)
			for _, definition := range []struct {
				file   string
				source []byte
			}{{"rotation.asl.json", statemachine.Rotation}, {"fleet.asl.json", statemachine.Fleet}} {
				got = strings.ReplaceAll(got, quoted(t, definition.source), `"(statemachine/`+definition.file+`)"`)
			}
			if !strings.Contains(got, "(statemachine/rotation.asl.json)") {
				t.Error("the template does not hold the definition as it stands in its file")
			}
			if tpl.name == "minimal" {
				checkGolden(t, tpl.name+".template.json", got)
			}
		})
	}
}

// quoted is the definition as the template holds it.
func quoted(t *testing.T, definition []byte) string {
	t.Helper()
	buffer := &bytes.Buffer{}
	enc := json.NewEncoder(buffer)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(strings.ReplaceAll(string(definition), "arn:aws:", "arn:${Partition}:")); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(buffer.String())
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
		for _, given := range []string{billing, "arn:aws:kms:eu-central-1:111122223333:key/", "arn:aws:lambda:eu-central-1:111122223333:function:db2-rotation", "arn:aws:iam::111122223333:role/incident-response"} {
			rest = strings.ReplaceAll(rest, given, "")
		}
		if i := strings.Index(rest, "arn:aws:"); i >= 0 {
			t.Errorf("%s: a literal arn:aws: does not work in GovCloud and China: ...%s...", tpl.name, rest[max(0, i-60):i+60])
		}
	}
}
