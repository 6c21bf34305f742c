package wire_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// thing is the input of the test services' operation; it has every kind of
// field the decoders know.
type thing struct {
	named
	Count  int64
	Flag   *bool
	Blob   []byte
	When   *wire.Time `xml:"-"`
	List   []string
	Nested *struct{ Deep []struct{ Value string } }
	Map    map[string]struct{ Kind string }
}

// named is embedded, as services do with the members their inputs share.
type named struct{ Name *string }

func (n *named) Resource() string {
	if n.Name == nil {
		return ""
	}
	return *n.Name
}

type answer struct {
	Seen string
	Blob []byte     `json:",omitempty" xml:",omitempty"`
	When *wire.Time `json:",omitempty" xml:"-"`
}

// service is a test double of an AWS service: real code behind the real front.
type service struct {
	spec wire.Spec
	runs int
	last thing
}

func (s *service) Spec() wire.Spec { return s.spec }

func (s *service) Operations() map[string]wire.Operation {
	return map[string]wire.Operation{
		"Echo": wire.Op(func(_ context.Context, call wire.Call, in *thing) (*answer, error) {
			s.runs++
			s.last = *in
			return &answer{Seen: call.Resource + " <" + call.Caller.Region + ">", Blob: in.Blob, When: in.When}, nil
		}),
		"Fail": wire.Op(func(context.Context, wire.Call, *thing) (*answer, error) {
			return nil, errors.Join(errors.New("outer"), &wire.Error{Code: "Teapot", Message: "no coffee", Status: 418})
		}),
		"Internal": wire.Op(func(context.Context, wire.Call, *thing) (*answer, error) {
			return nil, errors.New("canary-secret")
		}),
		"Panic": wire.Op(func(context.Context, wire.Call, *thing) (*answer, error) {
			panic("canary-secret")
		}),
	}
}

func (s *service) Pages() map[string]http.Handler {
	return map[string]http.Handler{"/_sandbox/" + s.spec.Name: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "page of "+s.spec.Name)
	})}
}

func jsonService() *service {
	return &service{spec: wire.Spec{Name: "things", Protocol: wire.JSON11, TargetPrefix: "Things_2020.v1", MessageKey: "Message"}}
}

func queryService() *service {
	return &service{spec: wire.Spec{Name: "old", Protocol: wire.Query, Namespace: "http://old/"}}
}

// call posts to the handler. target is an X-Amz-Target, or "" for a form.
func call(t *testing.T, h http.Handler, target, body string, edit ...func(*http.Request)) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/", strings.NewReader(body))
	name := "old"
	if target != "" {
		name = "things"
		r.Header.Set("X-Amz-Target", target)
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	} else {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=app1/20260101/eu-north-1/"+name+"/aws4_request, SignedHeaders=host, Signature=00")
	for _, f := range edit {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func read(t *testing.T, res *http.Response) string {
	t.Helper()
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func newHandler(t *testing.T, cfg wire.Config, services ...wire.Service) *wire.Handler {
	t.Helper()
	h, err := wire.New(cfg, services...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestJSON(t *testing.T) {
	s := jsonService()
	h := newHandler(t, wire.Config{}, s)
	tests := map[string]struct {
		target, body string
		status       int
		want         string
	}{
		"all kinds": {
			"Things_2020.v1.Echo",
			`{"Name":"n","Count":3,"Flag":true,"Blob":"aGk=","When":1767225600.25,"List":["a"],"Nested":{"Deep":[{"Value":"v"}]},"Map":{"k":{"Kind":"x"}},"Unknown":[1]}`,
			200, `{"Seen":"n <eu-north-1>","Blob":"aGk=","When":1767225600.25}`,
		},
		"empty body":        {"Things_2020.v1.Echo", ``, 200, `{"Seen":" <eu-north-1>"}`},
		"null is absent":    {"Things_2020.v1.Echo", `{"Name":null}`, 200, `{"Seen":" <eu-north-1>"}`},
		"case matters":      {"Things_2020.v1.Echo", `{"name":"n"}`, 200, `{"Seen":" <eu-north-1>"}`},
		"number as string":  {"Things_2020.v1.Echo", `{"Name":5}`, 400, `{"Message":"Name: NUMBER_VALUE cannot be converted to String","__type":"SerializationException"}`},
		"string as bool":    {"Things_2020.v1.Echo", `{"Flag":"true"}`, 400, `{"Message":"Flag: STRING_VALUE cannot be converted to Boolean","__type":"SerializationException"}`},
		"fraction":          {"Things_2020.v1.Echo", `{"Count":1.5}`, 400, `{"Message":"Count: NUMBER_VALUE cannot be converted to Number","__type":"SerializationException"}`},
		"object as list":    {"Things_2020.v1.Echo", `{"List":{}}`, 400, `{"Message":"List: START_OBJECT cannot be converted to List","__type":"SerializationException"}`},
		"deep":              {"Things_2020.v1.Echo", `{"Nested":{"Deep":[{"Value":[]}]}}`, 400, `{"Message":"Nested.Deep[0].Value: START_ARRAY cannot be converted to String","__type":"SerializationException"}`},
		"not base64":        {"Things_2020.v1.Echo", `{"Blob":"%"}`, 400, `{"Message":"Blob: STRING_VALUE cannot be converted to Blob","__type":"SerializationException"}`},
		"time as string":    {"Things_2020.v1.Echo", `{"When":"now"}`, 400, `{"Message":"When: STRING_VALUE cannot be converted to Timestamp","__type":"SerializationException"}`},
		"list as body":      {"Things_2020.v1.Echo", `[]`, 400, `{"Message":"the request body: START_ARRAY cannot be converted to Structure","__type":"SerializationException"}`},
		"not json":          {"Things_2020.v1.Echo", `{`, 400, `{"Message":"The request body is not valid JSON.","__type":"SerializationException"}`},
		"wrapped error":     {"Things_2020.v1.Fail", `{}`, 418, `{"Message":"no coffee","__type":"Teapot"}`},
		"unexpected error":  {"Things_2020.v1.Internal", `{}`, 500, `{"Message":"The sandbox failed to process the request.","__type":"InternalFailure"}`},
		"panic":             {"Things_2020.v1.Panic", `{}`, 500, `{"Message":"The sandbox failed to process the request.","__type":"InternalFailure"}`},
		"unknown operation": {"Things_2020.v1.Nope", `{}`, 400, `{"Message":"The sandbox's things has no operation \"Nope\". It has: Echo, Fail, Internal, Panic.","__type":"UnknownOperationException"}`},
		"unknown service":   {"Other.Echo", `{}`, 400, `{"__type":"UnknownOperationException","message":"The sandbox has no such service. It has: things."}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			res := call(t, h, test.target, test.body)
			if got := read(t, res); res.StatusCode != test.status || got != test.want {
				t.Errorf("got %d %s\nwant %d %s", res.StatusCode, got, test.status, test.want)
			}
			if res.Header.Get("X-Amzn-Requestid") == "" || res.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
				t.Errorf("headers: %v", res.Header)
			}
			var body struct {
				Type string `json:"__type"`
			}
			if json.Unmarshal([]byte(test.want), &body) == nil && res.Header.Get("X-Amzn-Errortype") != body.Type {
				t.Errorf("error type header %q, want %q", res.Header.Get("X-Amzn-Errortype"), body.Type)
			}
		})
	}
}

func TestJSON10(t *testing.T) {
	s := jsonService()
	s.spec.Protocol, s.spec.MessageKey = wire.JSON10, ""
	res := call(t, newHandler(t, wire.Config{}, s), "Things_2020.v1.Fail", `{}`)
	if got, want := read(t, res), `{"__type":"Teapot","message":"no coffee"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := res.Header.Get("Content-Type"); got != "application/x-amz-json-1.0" {
		t.Errorf("content type %s", got)
	}
}

func TestQuery(t *testing.T) {
	s := queryService()
	h := newHandler(t, wire.Config{}, s)
	body := "Action=Echo&Version=1&Name=n&Count=3&Flag=false&Blob=aGk%3D" +
		"&List.member.2=b&List.member.1=a&List.member.10=c&Nested.Deep.member.1.Value=v" +
		"&Map.entry.1.Name=k&Map.entry.1.Value.Kind=x"
	res := call(t, h, "", body)
	got := read(t, res)
	wantStart := `<EchoResponse xmlns="http://old/"><EchoResult><Seen>n &lt;eu-north-1&gt;</Seen>`
	if res.StatusCode != 200 || !strings.HasPrefix(got, wantStart) || !strings.HasSuffix(got, `</RequestId></ResponseMetadata></EchoResponse>`) {
		t.Errorf("got %d %s", res.StatusCode, got)
	}
	name, flag := "n", false
	want := thing{
		named: named{&name}, Count: 3, Flag: &flag, Blob: []byte("hi"), List: []string{"a", "b", "c"},
		Nested: &struct{ Deep []struct{ Value string } }{[]struct{ Value string }{{"v"}}},
		Map:    map[string]struct{ Kind string }{"k": {"x"}},
	}
	if diff := cmp.Diff(want, s.last, cmp.AllowUnexported(thing{})); diff != "" {
		t.Error(diff)
	}
	for body, want := range map[string]string{
		"Action=Fail":                    "<Error><Type>Sender</Type><Code>Teapot</Code><Message>no coffee</Message></Error>",
		"Action=Internal":                "<Error><Type>Receiver</Type><Code>InternalFailure</Code>",
		"Action=Nope":                    "<Code>InvalidAction</Code><Message>The sandbox&#39;s old has no operation &#34;Nope&#34;. It has: Echo,",
		"Action=Echo&Count=x":            "<Code>MalformedInput</Code><Message>Count is not a valid Number</Message>",
		"Action=Echo&Flag=x":             "<Code>MalformedInput</Code>",
		"Action=Echo&Blob=%25":           "<Code>MalformedInput</Code>",
		"Action=Echo&Map.entry.1.Name=k": "<Code>MalformedInput</Code>",
	} {
		res := call(t, h, "", body)
		if got := read(t, res); res.StatusCode == 200 || !strings.Contains(got, want) {
			t.Errorf("%s: got %d %s", body, res.StatusCode, got)
		}
	}
}

func TestAuthorization(t *testing.T) {
	h := newHandler(t, wire.Config{}, jsonService())
	for name, test := range map[string]struct {
		header string
		status int
		want   string
	}{
		"none":          {"", 403, "MissingAuthenticationTokenException"},
		"other scheme":  {"Bearer x", 403, "IncompleteSignatureException"},
		"no credential": {"AWS4-HMAC-SHA256 Signature=0", 403, "IncompleteSignatureException"},
		"short scope":   {"AWS4-HMAC-SHA256 Credential=a/b/c", 403, "IncompleteSignatureException"},
		"no key":        {"AWS4-HMAC-SHA256 Credential=/20260101/r/s/aws4_request", 403, "IncompleteSignatureException"},
		"good":          {"AWS4-HMAC-SHA256 Credential=a/20260101/r/things/aws4_request,Signature=0", 200, "<r>"},
	} {
		t.Run(name, func(t *testing.T) {
			res := call(t, h, "Things_2020.v1.Echo", `{}`, func(r *http.Request) { r.Header.Set("Authorization", test.header) })
			if got := read(t, res); res.StatusCode != test.status || !strings.Contains(got, test.want) {
				t.Errorf("got %d %s", res.StatusCode, got)
			}
		})
	}
}

func TestHTTPEdges(t *testing.T) {
	h := newHandler(t, wire.Config{}, jsonService(), queryService())
	setHost := func(host string) func(*http.Request) { return func(r *http.Request) { r.Host = host } }
	for name, test := range map[string]struct {
		res    *http.Response
		status int
		want   string
	}{
		"rebinding":     {call(t, h, "Things_2020.v1.Echo", `{}`, setHost("evil.example:80")), 403, "AccessDeniedException"},
		"localhost":     {call(t, h, "Things_2020.v1.Echo", `{}`, setHost("localhost:4599")), 200, "Seen"},
		"sub localhost": {call(t, h, "Things_2020.v1.Echo", `{}`, setHost("sm.localhost")), 200, "Seen"},
		"ipv6":          {call(t, h, "Things_2020.v1.Echo", `{}`, setHost("[::1]:80")), 200, "Seen"},
		"too large":     {call(t, h, "Things_2020.v1.Echo", strings.Repeat(" ", 3<<20)), 413, "RequestEntityTooLargeException"},
		"put":           {call(t, h, "Things_2020.v1.Echo", `{}`, func(r *http.Request) { r.Method = "PUT" }), 405, "UnknownOperationException"},
		"no protocol":   {call(t, h, "Things_2020.v1.Echo", `{}`, func(r *http.Request) { r.Header.Del("X-Amz-Target") }), 400, "It has: old, things."},
		"other query": {call(t, h, "", "Action=X", func(r *http.Request) {
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/r/sts/aws4_request")
		}), 400, "<Code>InvalidAction</Code>"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := read(t, test.res); test.res.StatusCode != test.status || !strings.Contains(got, test.want) {
				t.Errorf("got %d %s", test.res.StatusCode, got)
			}
		})
	}
}

func TestPages(t *testing.T) {
	h := newHandler(t, wire.Config{}, jsonService(), queryService())
	for path, want := range map[string]string{
		"/":                `"services":["old","things"],"status":"ok"`,
		"/health":          `"account":"123456789012"`,
		"/_sandbox/things": "page of things",
		"/_sandbox/nope":   `"pages":["/_sandbox/old","/_sandbox/things"]`,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil))
		if got := w.Body.String(); !strings.Contains(got, want) || (w.Code == 404) != (path == "/_sandbox/nope") {
			t.Errorf("%s: got %d %s", path, w.Code, got)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	noPrefix := jsonService()
	noPrefix.spec.TargetPrefix = ""
	samePage := queryService()
	samePage.spec.Name = "things"
	for name, f := range map[string]func() (*wire.Handler, error){
		"bad account":  func() (*wire.Handler, error) { return wire.New(wire.Config{Account: "x"}) },
		"same prefix":  func() (*wire.Handler, error) { return wire.New(wire.Config{}, jsonService(), jsonService()) },
		"same name":    func() (*wire.Handler, error) { return wire.New(wire.Config{}, queryService(), queryService()) },
		"no prefix":    func() (*wire.Handler, error) { return wire.New(wire.Config{}, noPrefix) },
		"page is used": func() (*wire.Handler, error) { return wire.New(wire.Config{}, jsonService(), samePage) },
	} {
		if _, err := f(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestObserver(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var records []wire.Record
	h := newHandler(t, wire.Config{
		Observe: func(r wire.Record) { records = append(records, r) },
		Now:     func() time.Time { now = now.Add(time.Second); return now },
	}, jsonService())
	_ = call(t, h, "Things_2020.v1.Echo", `{"Name":"n"}`)
	_ = call(t, h, "Things_2020.v1.Fail", `{"Name":"n"}`, func(r *http.Request) {
		r.Header.Set("Authorization", strings.ReplaceAll(r.Header.Get("Authorization"), "app1", "000000000001"))
	})
	_ = call(t, h, "Things_2020.v1.Echo", `{"Name":1}`)
	type row struct{ Op, Key, Account, Region, Resource, Code string }
	var got []row
	for _, r := range records {
		if r.Duration != time.Second || r.Start.IsZero() || r.RequestID == "" || r.Injected {
			t.Errorf("record %+v", r)
		}
		got = append(got, row{r.Service + "." + r.Operation, r.Caller.AccessKeyID, r.Caller.Account, r.Caller.Region, r.Resource, r.ErrorCode})
	}
	want := []row{
		{"things.Echo", "app1", wire.DefaultAccount, "eu-north-1", "n", ""},
		{"things.Fail", "000000000001", "000000000001", "eu-north-1", "n", "Teapot"},
		{"things.Echo", "app1", wire.DefaultAccount, "eu-north-1", "", "SerializationException"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestInterceptor(t *testing.T) {
	throttled := &wire.Error{Code: "ThrottlingException", Message: "Rate exceeded"}
	for name, test := range map[string]struct {
		failure *wire.Failure
		code    string
		runs    int
	}{
		"pass":               {nil, "", 1},
		"error before":       {&wire.Failure{Err: throttled}, "ThrottlingException", 0},
		"error after effect": {&wire.Failure{Err: throttled, AfterEffect: true}, "ThrottlingException", 1},
		"drop before":        {&wire.Failure{}, wire.CodeDropped, 0},
		"drop after effect":  {&wire.Failure{AfterEffect: true}, wire.CodeDropped, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var record wire.Record
			s := jsonService()
			srv, err := wire.Listen("127.0.0.1:0", newHandler(t, wire.Config{
				Intercept: func(_ context.Context, call wire.Call) *wire.Failure {
					if call.Operation != "Echo" || call.Resource != "n" {
						t.Errorf("intercepted %+v", call)
					}
					return test.failure
				},
				Observe: func(r wire.Record) { mu.Lock(); defer mu.Unlock(); record = r },
			}, s))
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := srv.Close(); err != nil {
					t.Error(err)
				}
			}()
			r, err := http.NewRequest(http.MethodPost, srv.URL, bytes.NewReader([]byte(`{"Name":"n"}`)))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Amz-Target", "Things_2020.v1.Echo")
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/r/things/aws4_request")
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			res, err := client.Do(r)
			if dropped := err != nil; dropped != (test.code == wire.CodeDropped) {
				t.Errorf("dropped: %v", err)
			}
			if err == nil {
				if _ = read(t, res); res.Header.Get("X-Amzn-Errortype") != test.code {
					t.Errorf("headers %v", res.Header)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if record.ErrorCode != test.code || record.Injected != (test.failure != nil) || s.runs != test.runs {
				t.Errorf("record %+v, runs %d", record, s.runs)
			}
		})
	}
}

func TestListenRefusesOtherAddresses(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "example.com:0", "127.0.0.1"} {
		if srv, err := wire.Listen(addr, http.NotFoundHandler()); err == nil {
			t.Errorf("%s accepted", addr)
			_ = srv.Close()
		}
	}
}

// FuzzDecode throws bodies at both decoders: they answer, whatever comes.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"Name":"n","List":["a"],"Map":{"k":{}}}`))
	f.Add([]byte(`Action=Echo&List.member.1=a&Map.entry.1.Name=k&Map.entry.1.Value.Kind=x`))
	f.Add([]byte(base64.StdEncoding.EncodeToString([]byte("x"))))
	h, err := wire.New(wire.Config{}, jsonService(), queryService())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, target := range []string{"Things_2020.v1.Echo", ""} {
			if res := call(t, h, target, string(body)); res.StatusCode == 500 {
				t.Errorf("internal failure for %q", body)
			}
		}
	})
}
