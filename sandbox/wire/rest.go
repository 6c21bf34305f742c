package wire

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
)

// restService is the RESTJSON service that the request is signed for, if it is:
// a request of another protocol says so by its target or its content type.
func (h *Handler) restService(r *http.Request) *entry {
	if r.Header.Get("X-Amz-Target") != "" || isForm(r) {
		return nil
	}
	caller, _ := parseCaller(r, h.cfg.Account) // the zero Caller is of no service
	return h.byREST[caller.Service]
}

// checkRoutes finds operations that cannot be reached, or that could not be
// reached if there were a route.
func (e *entry) checkRoutes() error {
	taken := map[string]string{}
	for name, op := range e.ops {
		route := op.method + " " + op.path
		switch {
		case (e.spec.Protocol == RESTJSON) != strings.HasPrefix(op.path, "/"):
			return fmt.Errorf("service %q: operation %s has the route %q", e.spec.Name, name, route)
		case op.path != "" && taken[route] != "":
			return fmt.Errorf("service %q: operations %s and %s have the route %q", e.spec.Name, name, taken[route], route)
		}
		taken[route] = name
	}
	return nil
}

// dispatchREST finds the operation by method and path and decodes its input.
func (h *Handler) dispatchREST(w http.ResponseWriter, r *http.Request, e *entry, requestID string, body []byte) {
	start := h.cfg.Now()
	caller, err := parseCaller(r, h.cfg.Account)
	if err != nil {
		writeError(w, e.spec, requestID, err)
		return
	}
	name, labels := e.route(r)
	op, ok := e.ops[name]
	if !ok {
		err := unknownOperation(e, r.Method+" "+r.URL.Path)
		err.Status = http.StatusNotFound
		writeError(w, e.spec, requestID, err)
		return
	}
	in := op.newInput()
	var decodeErr *Error
	if p, ok := in.(Payload); ok {
		p.SetPayload(r.Header, body)
	} else {
		decodeErr = decodeJSON(body, in)
	}
	if decodeErr == nil {
		decodeErr = decodeAddress(reflect.ValueOf(in).Elem(), labels, r.URL.Query())
	}
	call := Call{Service: e.spec.Name, Operation: name, RequestID: requestID, Caller: caller, Start: start}
	if res, ok := in.(Resourcer); ok && decodeErr == nil {
		call.Resource = res.Resource()
	}
	h.run(r.Context(), w, exchange{e.spec, op, call, in, decodeErr})
}

// route finds the operation's name, and what stands in the path's braces.
func (e *entry) route(r *http.Request) (operation string, labels map[string]string) {
	for name, op := range e.ops {
		if op.method != r.Method {
			continue
		}
		if labels, ok := matchPath(op.path, r.URL.EscapedPath()); ok {
			return name, labels
		}
	}
	return "", nil
}

// matchPath compares part by part, so that an escaped slash is part of a label. A slash at
// the end says nothing: older versions of the AWS CLI send one.
func matchPath(pattern, path string) (labels map[string]string, ok bool) {
	want, got := strings.Split(pattern, "/"), strings.Split(strings.TrimSuffix(path, "/"), "/")
	if len(want) != len(got) {
		return nil, false
	}
	labels = map[string]string{}
	for i, part := range want {
		value, err := url.PathUnescape(got[i])
		if label, isLabel := strings.CutPrefix(part, "{"); isLabel {
			if err != nil || value == "" {
				return nil, false
			}
			labels[strings.TrimSuffix(label, "}")] = value
		} else if value != part {
			return nil, false
		}
	}
	return labels, true
}

// decodeAddress fills the members that are in the path and in the query. One
// that has its place there is never taken from the body.
func decodeAddress(v reflect.Value, labels map[string]string, query url.Values) *Error {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Anonymous && field.Type.Kind() == reflect.Struct {
			if err := decodeAddress(v.Field(i), labels, query); err != nil {
				return err
			}
			continue
		}
		if !field.IsExported() {
			continue
		}
		name := memberName(field, "json")
		text, given := labels[name]
		if key := field.Tag.Get("query"); key != "" {
			v.Field(i).SetZero()
			text, given = query.Get(key), query.Has(key)
		}
		if !given {
			continue
		}
		if wanted := setText(v.Field(i), text); wanted != nil {
			return Errorf("SerializationException", "%s: STRING_VALUE cannot be converted to %s", name, awsKind(wanted))
		}
	}
	return nil
}

// setText returns the type that text is not of.
func setText(v reflect.Value, text string) reflect.Type {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		v.SetBool(b)
		if err == nil {
			return nil
		}
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 32)
		v.SetInt(n)
		if err == nil {
			return nil
		}
	}
	return v.Type()
}

// Payload is implemented by an input (on its pointer) whose body is not the
// members of a structure but one value of its own (Smithy: the httpPayload
// trait), and which may have members in the headers.
type Payload interface {
	SetPayload(header http.Header, body []byte)
}

// Answer is an output whose body is not the members of a structure, or which has
// members in the headers.
type Answer struct {
	Status int // Required.
	Header http.Header
	Body   []byte
}
