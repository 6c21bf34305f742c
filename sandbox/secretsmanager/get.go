package secretsmanager

import (
	"context"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

type getInput struct {
	secretRef
	VersionID    *string `json:"VersionId"`
	VersionStage *string
}

type getOutput struct {
	ARN           string
	Name          string
	VersionID     string   `json:"VersionId"`
	SecretString  *string  `json:",omitempty"`
	SecretBinary  []byte   `json:",omitempty"`
	VersionStages []string `json:",omitempty"`
	CreatedDate   *wire.Time
}

func (s *Service) getSecretValue(_ context.Context, call wire.Call, in *getInput) (*getOutput, error) {
	id, err := in.id()
	if err := firstError(
		err,
		length("versionId", in.VersionID, minTokenLength, maxTokenLength, optional),
		length("versionStage", in.VersionStage, 1, maxLabelLength, optional),
	); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sec, err := s.store(call).active(id)
	if err != nil {
		return nil, err
	}
	out, err := s.read(sec, in.VersionID, in.VersionStage)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// read finds the version by its id, or by the label, or by AWSCURRENT.
func (s *Service) read(sec *secret, versionID, stage *string) (*getOutput, *wire.Error) {
	var v *version
	if versionID != nil {
		v = sec.version(*versionID)
		switch {
		case v == nil || v.value == nil:
			return nil, errNoValue("VersionId", *versionID)
		case stage != nil && sec.labels[*stage] != v.id:
			return nil, errRequest("You provided a VersionStage that is not associated to the provided VersionId.")
		}
	} else {
		label := current
		if stage != nil {
			label = *stage
		}
		v = sec.version(sec.labels[label])
		if v == nil || v.value == nil {
			return nil, errNoValue("staging label", label)
		}
	}
	v.accessed = day(s.cfg.Now())
	sec.accessed = v.accessed
	out := &getOutput{
		ARN: sec.arn, Name: sec.name, VersionID: v.id,
		VersionStages: sec.labels.of(v.id), CreatedDate: wire.NewTime(v.created),
	}
	if v.value.binary != nil {
		out.SecretBinary = v.value.binary
	} else {
		out.SecretString = &v.value.text
	}
	return out, nil
}

type batchInput struct {
	SecretIDList []string `json:"SecretIdList"`
	Filters      []filter
	MaxResults   *int64
	NextToken    *string
}

type batchOutput struct {
	SecretValues []*getOutput
	Errors       []batchError
	NextToken    string `json:",omitempty"`
}

type batchError struct {
	SecretID  string `json:"SecretId"`
	ErrorCode string
	Message   string
}

func (s *Service) batchGetSecretValue(_ context.Context, call wire.Call, in *batchInput) (*batchOutput, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.store(call)
	ids, next := in.SecretIDList, ""
	if len(in.Filters) > 0 {
		page, token, err := paginate(st.matching(in.Filters, false), in.MaxResults, in.NextToken, maxBatch)
		if err != nil {
			return nil, err
		}
		next = token
		for _, sec := range page {
			ids = append(ids, sec.name)
		}
	}
	out := &batchOutput{SecretValues: []*getOutput{}, Errors: []batchError{}, NextToken: next}
	for _, id := range ids {
		sec, err := st.active(id)
		if err == nil {
			var entry *getOutput
			if entry, err = s.read(sec, nil, nil); err == nil {
				out.SecretValues = append(out.SecretValues, entry)
				continue
			}
		}
		out.Errors = append(out.Errors, batchError{id, err.Code, err.Message})
	}
	return out, nil
}

func (in *batchInput) check() *wire.Error {
	switch {
	case len(in.SecretIDList) > 0 && len(in.Filters) > 0:
		return errParameter("Either 'SecretIdList' or 'Filters' must be provided, but not both.")
	case len(in.SecretIDList) == 0 && len(in.Filters) == 0:
		return errParameter("Either 'SecretIdList' or 'Filters' must be provided.")
	case in.MaxResults != nil && len(in.Filters) == 0:
		return errParameter("'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided.")
	case len(in.SecretIDList) > maxBatch:
		return invalid("secretIdList", "Member must have length less than or equal to %d", maxBatch)
	}
	return firstError(checkFilters(in.Filters), within("maxResults", in.MaxResults, 1, maxBatch))
}
