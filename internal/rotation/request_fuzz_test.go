package rotation_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// A request is refused as InvalidRequest, or read; what is read is written and
// read as the same.
func FuzzParseRequest(f *testing.F) {
	for _, seed := range []string{
		`{"secretId":"app"}`,
		`{"secretId":"app","trigger":{"source":"schedule","scheduledAt":"2026-03-29T01:00:00Z"},"schedule":{"expression":"rate(10 days)","duration":"3h","freeze":["12-24..01-02"]}}`,
		`{"secretId":"app","strategy":"alternating-users","superuserSecretId":"su","outsideWindow":"wait","window":{"opensAt":"2026-01-01T00:00:00Z","closesAt":"2026-01-01T03:00:00Z"}}`,
		`{"secretId":"app","strategy":"single-user","recoverPassword":true,"password":{"length":40,"excludeCharacters":"/@"},"rotationFunction":"arn:aws:lambda:eu-west-1:1:function:x"}`,
		`{"secretId":"app","alsoUpdate":["url","dsn"]}`, `{"secretId":"app","alsoUpdate":["password"]}`,
		`{"secretId":"app","alsoUpdate":[],"schedule":{"expression":"rate(10 days)","freeze":[]}}`, `{"secretId":"","x":1}`, `{"secretId":"a","schedule":{"expression":"cron(0 /8 * * ? *)"},"trigger":{"source":"event","scheduledAt":"<aws.scheduler.scheduled-time>"}}`, `null`, `[]`, `{`, ``, `{"secretId":"a"} {}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		request, err := rotation.ParseRequest(raw)
		if err != nil {
			if fault.CodeOf(err) != fault.InvalidRequest {
				t.Errorf("%q: got %v", raw, err)
			}
			return
		}
		written, err := json.Marshal(request)
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		again, err := rotation.ParseRequest(written)
		if err != nil {
			t.Fatalf("%q was read, and what was written of it (%s) is refused: %v", raw, written, err)
		}
		if !reflect.DeepEqual(request, again) {
			t.Errorf("%q was read as %+v, and what was written of it (%s) as %+v", raw, request, written, again)
		}
	})
}
