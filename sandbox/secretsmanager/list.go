package secretsmanager

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

type listInput struct {
	Filters                []filter
	IncludePlannedDeletion *bool
	MaxResults             *int64
	NextToken              *string
	SortBy                 *string
	SortOrder              *string
}

type listOutput struct {
	SecretList []listEntry
	NextToken  string `json:",omitempty"`
}

type listEntry struct {
	details
	SecretVersionsToStages map[string][]string `json:",omitempty"`
}

func (s *Service) listSecrets(_ context.Context, call wire.Call, in *listInput) (*listOutput, error) {
	if err := firstError(
		checkFilters(in.Filters),
		within("maxResults", in.MaxResults, 1, maxListResults),
		oneOf("sortOrder", in.SortOrder, "asc", "desc"),
		oneOf("sortBy", in.SortBy, "created-date", "last-accessed-date", "last-changed-date", "name"),
	); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.store(call).matching(in.Filters, deref(in.IncludePlannedDeletion))
	slices.SortStableFunc(found, order(deref(in.SortBy)))
	if deref(in.SortOrder) == "desc" {
		slices.Reverse(found)
	}
	page, next, err := paginate(found, in.MaxResults, in.NextToken, maxListResults)
	if err != nil {
		return nil, err
	}
	out := &listOutput{SecretList: []listEntry{}, NextToken: next}
	for _, sec := range page {
		out.SecretList = append(out.SecretList, listEntry{sec.details(), sec.labels.byVersion()})
	}
	return out, nil
}

// order compares by what SortBy says; the default is the date of creation.
func order(by string) func(a, b *secret) int {
	return func(a, b *secret) int {
		switch by {
		case "name":
			return cmp.Compare(a.name, b.name)
		case "last-accessed-date":
			return a.accessed.Compare(b.accessed)
		case "last-changed-date":
			return a.changed.Compare(b.changed)
		default:
			return a.created.Compare(b.created)
		}
	}
}

// matching is the secrets that pass all filters, by date of creation.
func (st *store) matching(filters []filter, deleted bool) []*secret {
	var found []*secret
	for _, sec := range st.secrets {
		if !sec.deletion.IsZero() && !deleted {
			continue
		}
		if !slices.ContainsFunc(filters, func(f filter) bool { return !f.match(sec) }) {
			found = append(found, sec)
		}
	}
	slices.SortFunc(found, func(a, b *secret) int {
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.arn, b.arn))
	})
	return found
}

// filter is one filter: values are alternatives (API reference, Filter).
type filter struct {
	Key    *string
	Values []string
}

// filterPattern is the pattern of a filter's value.
var filterPattern = regexp.MustCompile(`^!?[a-zA-Z0-9 :_@/+=.!-]*$`)

func checkFilters(filters []filter) *wire.Error {
	if len(filters) > maxFilters {
		return invalid("filters", "Member must have length less than or equal to %d", maxFilters)
	}
	for i, f := range filters {
		at := fmt.Sprintf("filters.%d.member", i+1)
		switch {
		case f.Key == nil:
			return errParameter("Invalid filter key")
		case len(f.Values) == 0:
			return errParameter("Invalid filter values for key: %s", *f.Key)
		case len(f.Values) > maxFilterValues:
			return invalid(at+".values", "Member must have length less than or equal to %d", maxFilterValues)
		}
		if err := oneOf(at+".key", f.Key, "description", "name", "tag-key", "tag-value", "primary-region", "owning-service", "all"); err != nil {
			return err
		}
		for _, v := range f.Values {
			if err := length(at+".values", &v, 0, maxFilterLength, required); err != nil {
				return err
			}
			if !filterPattern.MatchString(v) {
				return invalid(at+".values", "Member must satisfy regular expression pattern: %s", filterPattern)
			}
		}
	}
	return nil
}

// match: a value that begins with "!" must not match; of the others one must.
func (f filter) match(sec *secret) bool {
	positive, hit := false, false
	for _, v := range f.Values {
		if not, ok := strings.CutPrefix(v, "!"); ok {
			if sec.has(*f.Key, not) {
				return false
			}
			continue
		}
		positive = true
		hit = hit || sec.has(*f.Key, v)
	}
	return hit || !positive
}

// has applies one key of the Filter page: prefix matches, in which only
// description ignores case; "all" looks for each word anywhere.
func (sec *secret) has(key, text string) bool {
	switch key {
	case "name":
		return strings.HasPrefix(sec.name, text)
	case "description":
		return strings.HasPrefix(strings.ToLower(sec.description), strings.ToLower(text))
	case "primary-region":
		return sec.managed.PrimaryRegion != "" && strings.HasPrefix(sec.managed.PrimaryRegion, text)
	case "owning-service":
		return sec.managed.OwningService != "" && strings.HasPrefix(sec.managed.OwningService, text)
	case "tag-key":
		return slices.ContainsFunc(sec.allTags(), func(t tag) bool { return strings.HasPrefix(t.Key, text) })
	case "tag-value":
		return slices.ContainsFunc(sec.allTags(), func(t tag) bool { return strings.HasPrefix(t.Value, text) })
	default:
		attributes := []string{sec.name, sec.description, sec.managed.PrimaryRegion, sec.managed.OwningService}
		for _, t := range sec.allTags() {
			attributes = append(attributes, t.Key, t.Value)
		}
		haystack := strings.ToLower(strings.Join(attributes, "\n"))
		return !slices.ContainsFunc(strings.Fields(strings.ToLower(text)), func(word string) bool {
			return !strings.Contains(haystack, word)
		})
	}
}

// paginate cuts the page that the token asks for out of the list. size is the
// default page size.
func paginate[T any](list []T, maxResults *int64, token *string, size int) (page []T, next string, err *wire.Error) {
	if maxResults != nil {
		size = int(*maxResults)
	}
	page, next, ok := wire.Page(list, deref(token), size)
	if !ok {
		return nil, "", wire.Errorf("InvalidNextTokenException", "The NextToken value is invalid.")
	}
	return page, next, nil
}
