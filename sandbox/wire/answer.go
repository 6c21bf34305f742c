package wire

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"maps"
	"net/http"
)

func contentType(p Protocol) string {
	switch p {
	case JSON10:
		return "application/x-amz-json-1.0"
	case Query:
		return "text/xml"
	case RESTJSON:
		return "application/json"
	default:
		return "application/x-amz-json-1.1"
	}
}

// encode renders an operation's output.
func encode(spec Spec, call Call, out any) ([]byte, error) {
	var buf bytes.Buffer
	if spec.Protocol != Query {
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(out); err != nil {
			return nil, err
		}
		return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
	}
	enc := xml.NewEncoder(&buf)
	root := xml.StartElement{
		Name: xml.Name{Local: call.Operation + "Response"},
		Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: spec.Namespace}},
	}
	result := xml.StartElement{Name: xml.Name{Local: call.Operation + "Result"}}
	metadata := xml.StartElement{Name: xml.Name{Local: "ResponseMetadata"}}
	err := firstError(
		func() error { return enc.EncodeToken(root) },
		func() error { return enc.EncodeElement(out, result) },
		func() error { return enc.EncodeElement(responseMetadata{call.RequestID}, metadata) },
		func() error { return enc.EncodeToken(root.End()) },
		enc.Flush,
	)
	return buf.Bytes(), err
}

type responseMetadata struct{ RequestId string }

func firstError(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// errorResponse is the body of a Query error (Smithy: "AWS Query protocol",
// operation error serialization).
type errorResponse struct {
	XMLName xml.Name `xml:"ErrorResponse"`
	Xmlns   string   `xml:"xmlns,attr,omitempty"`
	Error   struct {
		Type    string
		Code    string
		Message string
	}
	RequestId string
}

func encodeError(spec Spec, requestID string, e *Error) []byte {
	if spec.Protocol == Query {
		body := errorResponse{Xmlns: spec.Namespace, RequestId: requestID}
		body.Error.Type = "Sender"
		if e.status() >= 500 {
			body.Error.Type = "Receiver"
		}
		body.Error.Code, body.Error.Message = e.Code, e.Message
		b, _ := xml.Marshal(body) // strings only: cannot fail
		return b
	}
	key := spec.MessageKey
	if key == "" {
		key = "message"
	}
	b, _ := json.Marshal(map[string]string{"__type": e.Code, key: e.Message})
	return b
}

func writeAnswer(w http.ResponseWriter, spec Spec, requestID string, out Answer) {
	w.Header().Set("Content-Type", contentType(spec.Protocol))
	w.Header().Set("X-Amzn-Requestid", requestID)
	maps.Copy(w.Header(), out.Header)
	w.WriteHeader(out.Status)
	_, _ = w.Write(out.Body) // the caller is gone; nobody is left to be told
}

func writeError(w http.ResponseWriter, spec Spec, requestID string, e *Error) {
	w.Header().Set("Content-Type", contentType(spec.Protocol))
	w.Header().Set("X-Amzn-Requestid", requestID)
	if spec.Protocol != Query {
		w.Header().Set("X-Amzn-Errortype", e.Code)
	}
	w.WriteHeader(e.status())
	_, _ = w.Write(encodeError(spec, requestID, e))
}
