package rotation

import (
	"fmt"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// The two names of a pair, whichever of them AWSCURRENT has.
func TestPairNames(t *testing.T) {
	for _, tc := range []struct{ engine, original, clone string }{
		{"postgres", "app", "app_clone"},
		{"postgres", `"app"`, `"app"_clone`}, // quotes are part of the name
		{"mysql", `_clone`, `_clone_clone`},
		{"oracle", "APP", "APP_CLONE"},
		{"oracle", "app", "app_CLONE"},
		{"oracle", `"app"`, `"app_CLONE"`},
		{"oracle", `"App user"`, `"App user_CLONE"`},
		{"oracle", `"abcdefghijklmnopqrstuvwx"`, `"abcdefghijklmnopqrstuvwx_CLONE"`}, // 30 characters without the quotes
		{"oracle", `"abcdefghijklmnopqrstuvwxy"`, ""},
	} {
		t.Run(tc.engine+" "+tc.original, func(t *testing.T) {
			of := func(user string) (pair, error) {
				doc, err := secretdoc.Parse(redact.New(fmt.Sprintf(`{"engine":%q,"host":"db.example","username":%q,"password":"p","dbname":"ORCL"}`, tc.engine, user)))
				if err != nil {
					t.Fatal(err)
				}
				return pairOf(doc)
			}
			if tc.clone == "" {
				if _, err := of(tc.original); !fault.Is(err, fault.InvalidSecret) {
					t.Errorf("got %v", err)
				}
				return
			}
			got, err := of(tc.original)
			if want := (pair{tc.original, tc.clone, tc.clone}); err != nil || got != want {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
			got, err = of(tc.clone)
			if want := (pair{tc.original, tc.clone, tc.original}); err != nil || got != want {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
		})
	}
}
