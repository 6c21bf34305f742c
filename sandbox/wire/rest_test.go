package wire_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// shelf is a RESTJSON service.
type shelf struct{ operations map[string]wire.Operation }

type shelfInput struct {
	Name  *string
	Group *string `query:"groupName"`
	Max   *int    `query:"MaxResults"`
	Flag  bool    `query:"flag"`
	Color string
}

func (in *shelfInput) Resource() string { return *in.Name }

type shelfAnswer struct {
	Operation, Name, Group, Color string
	Max                           int
	Flag                          bool
}

func newShelf() *shelf {
	op := wire.Op(func(_ context.Context, call wire.Call, in *shelfInput) (*shelfAnswer, error) {
		out := &shelfAnswer{Operation: call.Operation, Name: *in.Name, Color: in.Color, Flag: in.Flag}
		if in.Group != nil {
			out.Group = *in.Group
		}
		if in.Max != nil {
			out.Max = *in.Max
		}
		return out, nil
	})
	fail := wire.Op(func(context.Context, wire.Call, *struct{}) (*struct{}, error) {
		return nil, &wire.Error{Code: "ConflictException", Message: "taken", Status: http.StatusConflict}
	})
	return &shelf{map[string]wire.Operation{
		"PutBook":   op.At("PUT", "/books/{Name}"),
		"GetBook":   op.At("GET", "/books/{Name}"),
		"ListBooks": fail.At("GET", "/books"),
	}}
}

func (s *shelf) Spec() wire.Spec {
	return wire.Spec{Name: "shelf", Protocol: wire.RESTJSON, MessageKey: "Message"}
}

func (s *shelf) Operations() map[string]wire.Operation { return s.operations }

func TestREST(t *testing.T) {
	var seen []wire.Record
	h := newHandler(t, wire.Config{Observe: func(r wire.Record) { seen = append(seen, r) }}, newShelf(), jsonService(), queryService())
	for name, tt := range map[string]struct {
		method, path, body string
		status             int
		want               string
	}{
		"path, query and body": {
			"PUT", "/books/a?groupName=g&MaxResults=7&flag=true", `{"Color":"red","Name":"b","Group":"c"}`,
			200, `{"Operation":"PutBook","Name":"a","Group":"g","Color":"red","Max":7,"Flag":true}`,
		},
		"get":              {"GET", "/books/a", ``, 200, `{"Operation":"GetBook","Name":"a","Group":"","Color":"","Max":0,"Flag":false}`},
		"escaped slash":    {"GET", "/books/a%2Fb%20c", ``, 200, `{"Operation":"GetBook","Name":"a/b c","Group":"","Color":"","Max":0,"Flag":false}`},
		"error":            {"GET", "/books", ``, 409, `{"Message":"taken","__type":"ConflictException"}`},
		"bad number":       {"GET", "/books/a?MaxResults=x", ``, 400, `{"Message":"Max: STRING_VALUE cannot be converted to Number","__type":"SerializationException"}`},
		"bad body":         {"PUT", "/books/a", `{`, 400, `{"Message":"The request body is not valid JSON.","__type":"SerializationException"}`},
		"no such path":     {"GET", "/magazines", ``, 404, `{"Message":"The sandbox's shelf has no operation \"GET /magazines\". It has: GetBook, ListBooks, PutBook.","__type":"UnknownOperationException"}`},
		"empty label":      {"PUT", "/books/", `{}`, 404, `{"Message":"The sandbox's shelf has no operation \"PUT /books/\". It has: GetBook, ListBooks, PutBook.","__type":"UnknownOperationException"}`},
		"slash at the end": {"GET", "/books/", ``, 409, `{"Message":"taken","__type":"ConflictException"}`},
		"no such method":   {"DELETE", "/books/a", ``, 404, `{"Message":"The sandbox's shelf has no operation \"DELETE /books/a\". It has: GetBook, ListBooks, PutBook.","__type":"UnknownOperationException"}`},
		"pages elsewhere":  {"GET", "/health", ``, 404, `{"Message":"The sandbox's shelf has no operation \"GET /health\". It has: GetBook, ListBooks, PutBook.","__type":"UnknownOperationException"}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "http://127.0.0.1"+tt.path, strings.NewReader(tt.body))
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=app1/20260101/eu-north-1/shelf/aws4_request, SignedHeaders=host, Signature=00")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			res := w.Result()
			if got := read(t, res); res.StatusCode != tt.status || got != tt.want {
				t.Errorf("%d %s\nwant %d %s", res.StatusCode, got, tt.status, tt.want)
			}
			if got := res.Header.Get("Content-Type"); got != "application/json" {
				t.Errorf("content type %q", got)
			}
			if code := res.Header.Get("X-Amzn-Errortype"); (code != "") != (tt.status != 200) {
				t.Errorf("error type %q", code)
			}
		})
	}
	for _, r := range seen {
		if r.Operation == "GetBook" && r.ErrorCode == "" && r.Resource == "" {
			t.Errorf("the call's resource is not recorded: %+v", r)
		}
	}
}

// Without a signature a browser could be made to call.
func TestRESTNeedsAuthorization(t *testing.T) {
	h := newHandler(t, wire.Config{}, newShelf())
	for method, want := range map[string]int{"GET": 404, "PUT": 405, "DELETE": 405} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "http://127.0.0.1/books/a", nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", method, w.Code, want)
		}
	}
}

func TestNewRefusesRoutes(t *testing.T) {
	op := wire.Op(func(context.Context, wire.Call, *struct{}) (*struct{}, error) { return nil, nil })
	for name, operations := range map[string]map[string]wire.Operation{
		"no route":         {"A": op},
		"relative":         {"A": op.At("GET", "a")},
		"two of one route": {"A": op.At("GET", "/a"), "B": op.At("GET", "/a")},
	} {
		if _, err := wire.New(wire.Config{}, &shelf{operations}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
