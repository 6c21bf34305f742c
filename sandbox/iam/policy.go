package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Document is a policy. It is parsed strictly: what this package does not evaluate
// is an error, never something that is passed over.
type Document struct {
	Version   string
	Statement []Statement
}

// Statement is one statement of a policy.
type Statement struct {
	Effect    string
	Principal Principal `json:",omitzero"`
	Action    Strings
	Resource  Strings    `json:",omitempty"`
	Condition Conditions `json:",omitempty"`
}

// Principal is whom a statement of a resource policy is about.
type Principal struct {
	AWS     Strings `json:",omitempty"`
	Service Strings `json:",omitempty"`
}

// Conditions are values by operator and key.
type Conditions map[string]map[string]Strings

// Strings are one text or a list of them.
type Strings []string

// UnmarshalJSON takes both forms.
func (s *Strings) UnmarshalJSON(src []byte) error {
	if bytes.HasPrefix(src, []byte("[")) {
		return json.Unmarshal(src, (*[]string)(s))
	}
	var one string
	err := json.Unmarshal(src, &one)
	*s = Strings{one}
	return err
}

// MarshalJSON writes one text without brackets, as IAM does.
func (s Strings) MarshalJSON() ([]byte, error) {
	if len(s) == 1 {
		return json.Marshal(s[0])
	}
	return json.Marshal([]string(s))
}

// ParseDocument reads a policy and refuses what this package cannot evaluate.
func ParseDocument(src []byte) (Document, error) {
	var d Document
	if err := strictly(src, &d); err != nil {
		return Document{}, err
	}
	return d, d.check()
}

func strictly(src []byte, dst any) error {
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.DisallowUnknownFields()
	return dec.Decode(dst)
}

// operators compare a value of the request with one of the policy. Source: IAM user
// guide, "IAM JSON policy elements: Condition operators".
var operators = map[string]func(pattern, value string) bool{
	"StringEquals": func(pattern, value string) bool { return pattern == value },
	"StringLike":   like,
	"ArnEquals":    likeARN, // "behave identically" (ArnEquals and ArnLike)
	"ArnLike":      likeARN,
	"Bool":         strings.EqualFold,
}

// keys are the condition keys that requests here can have.
var keys = []string{
	"aws:PrincipalAccount", "aws:SecureTransport", "aws:SourceAccount", "aws:SourceArn", "lambda:SourceFunctionArn", "iam:PassedToService",
	"kms:ViaService", "kms:EncryptionContext:SecretARN",
}

func (d Document) check() error {
	if d.Version != "2012-10-17" || len(d.Statement) == 0 {
		return fmt.Errorf("a policy of version %q with %d statements cannot be evaluated", d.Version, len(d.Statement))
	}
	for i, s := range d.Statement {
		if err := s.check(); err != nil {
			return fmt.Errorf("statement %d: %w", i, err)
		}
	}
	return nil
}

func (s Statement) check() error {
	if s.Effect != "Allow" && s.Effect != "Deny" || len(s.Action) == 0 {
		return errors.New("takes an effect and actions")
	}
	for operator, conditions := range s.Condition {
		if operators[operator] == nil {
			return fmt.Errorf("the condition operator %s is not known", operator)
		}
		for key, values := range conditions {
			if !slices.Contains(keys, key) || len(values) == 0 {
				return fmt.Errorf("the condition key %s is not known", key)
			}
		}
	}
	text, err := json.Marshal(s)
	if err == nil && bytes.Contains(text, []byte("${")) {
		return errors.New("policy variables are not known")
	}
	return err
}

// like matches * and ?.
func like(pattern, value string) bool {
	for pattern != "" {
		switch {
		case pattern[0] == '*':
			for i := range len(value) + 1 {
				if like(pattern[1:], value[i:]) {
					return true
				}
			}
			return false
		case value == "" || pattern[0] != '?' && pattern[0] != value[0]:
			return false
		}
		pattern, value = pattern[1:], value[1:]
	}
	return value == ""
}

// likeARN matches part by part, so that a wildcard does not reach over a colon,
// but in the last part.
func likeARN(pattern, value string) bool {
	if pattern == "*" {
		return true
	}
	wanted, got := strings.SplitN(pattern, ":", 6), strings.SplitN(value, ":", 6)
	if len(wanted) != len(got) {
		return false
	}
	for i := range wanted {
		if !like(wanted[i], got[i]) {
			return false
		}
	}
	return true
}
