package redact_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/redact"
)

const canary = "c4nary-Pa55word"

func TestNoRenderingShowsTheValue(t *testing.T) {
	s := redact.New(canary)
	holder := struct {
		Password redact.String
		private  redact.String
	}{s, s}

	var renderings []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T%v"} {
		renderings = append(renderings,
			fmt.Sprintf(verb, s, s), fmt.Sprintf(verb, &s, &s),
			fmt.Sprintf(verb, holder, holder), fmt.Sprintf(verb, []redact.String{s}, s))
	}
	renderings = append(renderings, fmt.Sprint(s), s.String(), fmt.Errorf("login: %v", s).Error())
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(h).Info("login", "password", s, "holder", holder, "list", []redact.String{s})
	}
	for _, r := range append(renderings, log.String()) {
		if strings.Contains(r, canary) || strings.Contains(r, fmt.Sprintf("%x", canary)) {
			t.Errorf("the value shows in %q", r)
		}
	}
}

func TestMarshallingFails(t *testing.T) {
	s := redact.New(canary)
	if out, err := json.Marshal(map[string]any{"password": s}); err == nil {
		t.Errorf("json.Marshal = %s, want an error: a mask must never be stored", out)
	}
	if out, err := xml.Marshal(s); err == nil {
		t.Errorf("xml.Marshal = %s, want an error", out)
	}
}

func TestValue(t *testing.T) {
	var zero redact.String
	if !zero.IsEmpty() || zero.Reveal() != "" {
		t.Error("the zero value is not the empty string")
	}
	if s := redact.New(canary); s.Reveal() != canary || s.IsEmpty() || !s.Equal(redact.New(canary)) || s.Equal(zero) {
		t.Error("New does not keep its value")
	}
}
