package wire

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// DefaultAccount is the account of callers whose access key id is not an
// account id itself.
const DefaultAccount = "123456789012"

// maxBody bounds a request. The largest legitimate ones are a state machine's
// definition (1 MiB) and the entries of an event call (256 KiB).
const maxBody = 2 << 20

// Config is the front's configuration. The zero value is ready to use.
type Config struct {
	// Account is the account of ordinary callers. Default DefaultAccount.
	Account string
	// Observe is told of every call. Optional.
	Observe Observer
	// Authorize says how a call fails that the caller may not make. Optional.
	Authorize func(Call) *Failure
	// Intercept may make calls fail. Optional.
	Intercept Interceptor
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Pages are served beside those of the services, also by POST: each guards itself
	// against other sites. The keys are as a Pager's. Optional.
	Pages map[string]http.Handler
	// Log is told of panics in services, without their text. Optional.
	Log *slog.Logger
}

// Handler is the endpoint: an http.Handler over a fixed set of services.
type Handler struct {
	cfg      Config
	byTarget map[string]*entry // JSON services by target prefix
	byName   map[string]*entry // Query services by signing name
	byREST   map[string]*entry // RESTJSON services by signing name
	pages    map[string]http.Handler
}

// entry is a service with what New read from it.
type entry struct {
	spec Spec
	ops  map[string]Operation
}

// New makes the endpoint. It fails when two services claim the same name,
// prefix or page, or a Spec is incomplete.
func New(cfg Config, services ...Service) (*Handler, error) {
	if cfg.Account == "" {
		cfg.Account = DefaultAccount
	}
	if !accountPattern.MatchString(cfg.Account) {
		return nil, fmt.Errorf("account %q is not 12 digits", cfg.Account)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h := &Handler{
		cfg:      cfg,
		byTarget: map[string]*entry{},
		byName:   map[string]*entry{},
		byREST:   map[string]*entry{},
		pages:    map[string]http.Handler{},
	}
	for _, s := range services {
		if err := h.add(s); err != nil {
			return nil, err
		}
	}
	for path, page := range cfg.Pages {
		if !strings.HasPrefix(path, "/_sandbox/") || h.pages[path] != nil {
			return nil, fmt.Errorf("page %q is taken or outside /_sandbox/", path)
		}
		h.pages[path] = page
	}
	return h, nil
}

func (h *Handler) add(s Service) error {
	spec := s.Spec()
	e := &entry{spec: spec, ops: s.Operations()}
	index, key := h.byTarget, spec.TargetPrefix
	switch spec.Protocol {
	case Query:
		index, key = h.byName, spec.Name
	case RESTJSON:
		index, key = h.byREST, spec.Name
	}
	switch {
	case spec.Name == "" || spec.Protocol == 0 || key == "":
		return fmt.Errorf("service %q: incomplete spec", spec.Name)
	case index[key] != nil:
		return fmt.Errorf("service %q: %q is taken", spec.Name, key)
	}
	if err := e.checkRoutes(); err != nil {
		return err
	}
	index[key] = e
	if p, ok := s.(Pager); ok {
		for path, page := range p.Pages() {
			if !strings.HasPrefix(path, "/_sandbox/") || h.pages[path] != nil {
				return fmt.Errorf("service %q: page %q is taken or outside /_sandbox/", spec.Name, path)
			}
			h.pages[path] = page
		}
	}
	return nil
}

// ServeHTTP dispatches a request by its protocol.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	requestID := NewID()
	jsonErrors := Spec{Protocol: JSON11}
	if !localHost(r.Host) {
		writeError(w, jsonErrors, requestID, &Error{
			Code:    "AccessDeniedException",
			Message: "The sandbox answers only requests addressed to localhost or an IP address.",
			Status:  http.StatusForbidden,
		})
		return
	}
	rest := h.restService(r)
	if rest == nil && (r.Method == http.MethodGet || r.Method == http.MethodHead || h.cfg.Pages[r.URL.Path] != nil) {
		h.servePage(w, r)
		return
	}
	if rest == nil && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, HEAD, POST")
		writeError(w, jsonErrors, requestID, &Error{
			Code: "UnknownOperationException", Message: "Only GET and POST are served.",
			Status: http.StatusMethodNotAllowed,
		})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		e := Errorf("SerializationException", "The request body could not be read.")
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			e = &Error{
				Code:    "RequestEntityTooLargeException",
				Message: fmt.Sprintf("A request may have %d bytes.", maxBody),
				Status:  http.StatusRequestEntityTooLarge,
			}
		}
		writeError(w, jsonErrors, requestID, e)
		return
	}
	if rest != nil {
		h.dispatchREST(w, r, rest, requestID, body)
		return
	}
	h.dispatch(w, r, requestID, body)
}

// dispatch finds the operation and decodes its input.
func (h *Handler) dispatch(w http.ResponseWriter, r *http.Request, requestID string, body []byte) {
	start := h.cfg.Now()
	caller, authErr := parseCaller(r, h.cfg.Account)
	var (
		e     *entry
		name  string
		form  url.Values
		spec  = Spec{Protocol: JSON11}
		known = true
	)
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		// The last dot: some prefixes hold dots themselves.
		dot := max(strings.LastIndexByte(target, '.'), 0)
		e, name = h.byTarget[target[:dot]], strings.TrimPrefix(target[dot:], ".")
		if e == nil && strings.HasSuffix(r.Header.Get("Content-Type"), "json-1.0") {
			spec.Protocol = JSON10
		}
	} else if isForm(r) {
		form, _ = url.ParseQuery(string(body)) // a bad pair is as good as absent
		e, name = h.byName[caller.Service], form.Get("Action")
		spec.Protocol = Query
	} else {
		known = false
	}
	if e != nil {
		spec = e.spec
	}
	if authErr != nil {
		writeError(w, spec, requestID, authErr)
		return
	}
	if !known || e == nil {
		writeError(w, spec, requestID, h.unknownService(spec))
		return
	}
	op, ok := e.ops[name]
	if !ok {
		writeError(w, spec, requestID, unknownOperation(e, name))
		return
	}
	in := op.newInput()
	var decodeErr *Error
	if spec.Protocol == Query {
		decodeErr = decodeQuery(form, in)
	} else {
		decodeErr = decodeJSON(body, in)
	}
	call := Call{Service: spec.Name, Operation: name, RequestID: requestID, Caller: caller, Start: start}
	if res, ok := in.(Resourcer); ok && decodeErr == nil {
		call.Resource = res.Resource()
	}
	h.run(r.Context(), w, exchange{spec, op, call, in, decodeErr})
}

// exchange is a call that has been read, or what is wrong with it.
type exchange struct {
	spec Spec
	op   Operation
	call Call
	in   any
	err  *Error
}

// run makes the call, with the hooks around it, and answers.
func (h *Handler) run(ctx context.Context, w http.ResponseWriter, x exchange) {
	var failure *Failure
	if h.cfg.Intercept != nil {
		failure = h.cfg.Intercept(ctx, x.call)
	}
	if h.cfg.Authorize != nil && failure == nil && x.err == nil {
		failure = h.cfg.Authorize(x.call)
	}
	var (
		out Answer
		e   = x.err
	)
	if e == nil && (failure == nil || failure.AfterEffect) {
		out, e = h.perform(ctx, x)
	}
	record := Record{Call: x.call, Injected: failure != nil}
	if failure != nil {
		e = failure.Err
	}
	switch {
	case failure != nil && failure.Err == nil:
		record.ErrorCode = CodeDropped
	case e != nil:
		record.ErrorCode = e.Code
	}
	if h.cfg.Observe != nil {
		record.Duration = h.cfg.Now().Sub(x.call.Start)
		h.cfg.Observe(record)
	}
	switch {
	case record.ErrorCode == CodeDropped && failure != nil:
		// net/http closes the connection on this panic and does not log it.
		panic(http.ErrAbortHandler)
	case e != nil:
		writeError(w, x.spec, x.call.RequestID, e)
	default:
		writeAnswer(w, x.spec, x.call.RequestID, out)
	}
}

// perform runs the operation. A panic becomes an InternalFailure; neither its
// text nor anything else that may quote the request is kept.
func (h *Handler) perform(ctx context.Context, x exchange) (out Answer, e *Error) {
	defer func() {
		if recover() == nil {
			return
		}
		if h.cfg.Log != nil {
			h.cfg.Log.Error("sandbox operation panicked",
				"service", x.call.Service, "operation", x.call.Operation, "stack", string(debug.Stack()))
		}
		out, e = Answer{}, asError(errors.New("panic"))
	}()
	result, err := x.op.run(ctx, x.call, x.in)
	if err != nil {
		return Answer{}, asError(err)
	}
	if whole, ok := result.(*Answer); ok {
		return *whole, nil
	}
	body, err := encode(x.spec, x.call, result)
	if err != nil {
		return Answer{}, asError(err)
	}
	return Answer{Status: http.StatusOK, Body: body}, nil
}

func (h *Handler) servePage(w http.ResponseWriter, r *http.Request) {
	if page, ok := h.pages[r.URL.Path]; ok {
		page.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path != "/" && r.URL.Path != "/health" {
		w.WriteHeader(http.StatusNotFound)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": "no such page", "pages": slices.Sorted(maps.Keys(h.pages))})
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"status": "ok", "name": "tumbler sandbox", "account": h.cfg.Account,
		"services": h.names(), "pages": slices.Sorted(maps.Keys(h.pages)),
	})
}

func (h *Handler) names() []string {
	var names []string
	for _, index := range []map[string]*entry{h.byTarget, h.byName, h.byREST} {
		for _, e := range index {
			names = append(names, e.spec.Name)
		}
	}
	slices.Sort(names)
	return names
}

func (h *Handler) unknownService(spec Spec) *Error {
	return Errorf(unknownCode(spec), "The sandbox has no such service. It has: %s.", strings.Join(h.names(), ", "))
}

func unknownOperation(e *entry, name string) *Error {
	return Errorf(unknownCode(e.spec), "The sandbox's %s has no operation %q. It has: %s.",
		e.spec.Name, name, strings.Join(slices.Sorted(maps.Keys(e.ops)), ", "))
}

// unknownCode: the Query services have their own name for it (AWS: "Common
// error types", InvalidAction).
func unknownCode(spec Spec) string {
	if spec.Protocol == Query {
		return "InvalidAction"
	}
	return "UnknownOperationException"
}

func isForm(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

// NewID makes a random UUID: the form of AWS's request, message and event ids.
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
