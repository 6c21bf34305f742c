package enginetest

import (
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// Tenancy is what a user makes of the database that it owns, to get what is not
// its own when somebody mightier comes by.
type Tenancy struct {
	// New gives a new user a database, or what comes next to one, and returns
	// its secret. What New makes is dropped when the test ends.
	New func(t testing.TB, user string, password redact.String) secretdoc.Document

	Plants []Plant

	// Spoils lists, by other means than the engine's, what the tenant has gained
	// beyond being an ordinary user, and how often what it planted has run as
	// anybody. Empty when all is well.
	Spoils func(t testing.TB, tenant secretdoc.Document) []string
}

// Plant is one thing that a tenant plants.
type Plant struct {
	Name string
	Lay  func(t testing.TB, tenant secretdoc.Document)

	// Refused are codes with which the superuser may refuse to clone, instead of
	// doing it right. Optional.
	Refused []fault.Code
}

// Hostile runs the cases of hostile tenants alone, for servers and superusers that
// need not be taken through the whole suite.
func Hostile(t *testing.T, target Target) {
	s := &suite{Target: target, super: target.Fixture.Superuser()}
	ran, held := 0, 0
	for _, c := range s.hostileCases() {
		ran++
		if t.Run(c.name, c.run) {
			held++
		}
	}
	if ran == 0 {
		t.Error("nothing is planted")
	}
	t.Logf("enginetest: hostile tenants on %s: %d of %d held off", s.Name, held, ran)
}

func (s *suite) hostileCases() []testCase {
	reason := unless(s.Tenancy != nil, "nobody has planted anything on this server")
	if s.Tenancy == nil {
		return []testCase{{"hostile tenant", reason, nil}}
	}
	var cases []testCase
	for _, p := range s.Tenancy.Plants {
		cases = append(cases, testCase{"hostile tenant/" + p.Name, "", func(t *testing.T) { s.hostile(t, p) }})
	}
	return cases
}

// hostile does all that a rotation does, as the tenant and as the superuser. It has
// to come out right, and the tenant has to come away with nothing.
func (s *suite) hostile(t *testing.T, p Plant) {
	user, password := s.name(t), s.password("")
	tenant := s.Tenancy.New(t, user, password)
	p.Lay(t, tenant)
	if spoils := s.Tenancy.Spoils(t, tenant); len(spoils) > 0 {
		t.Fatalf("before anything was done: %q", spoils)
	}
	own := s.connect(t, tenant)
	s.done(t, own.Probe(t.Context()))
	_, err := own.Privileges(t.Context(), user)
	s.done(t, err)
	s.foretells(t, own, engine.InspectRequest{SetPassword: user}, nil)
	password, old := s.password(""), password
	s.done(t, own.SetPassword(t.Context(), user, password))
	s.accepts(t, user, password, old)
	s.connect(t, tenant.WithPassword(password))

	inside := s.super
	inside.DBName = tenant.DBName
	for i, super := range []secretdoc.Document{inside, s.super} {
		admin := s.connect(t, super)
		s.done(t, admin.Probe(t.Context()))
		s.foretells(t, admin, engine.InspectRequest{SetPassword: user}, nil)
		password, old = s.password(""), password
		s.done(t, admin.SetPassword(t.Context(), user, password))
		s.accepts(t, user, password, old)
		if len(s.Rights) > 0 {
			s.hostileClone(t, p, admin, tenant.WithPassword(password), i > 0)
		}
		if spoils := s.Tenancy.Spoils(t, tenant); len(spoils) > 0 {
			t.Errorf("with the superuser in database %q the tenant has gained: %q", super.DBName, spoils)
		}
	}
}

func (s *suite) hostileClone(t *testing.T, p Plant, admin engine.Session, tenant secretdoc.Document, exists bool) {
	r := request(tenant.Username, s.password(""))
	r.Database, r.Proven = tenant.DBName, exists
	s.foretells(t, admin, engine.InspectRequest{Clone: &r}, p.Refused)
	result, err := admin.EnsureClone(t.Context(), r)
	s.check(t, err)
	if err != nil && fault.Is(err, p.Refused...) {
		t.Logf("refused: %v", err)
		return
	}
	s.done(t, err)
	s.accepts(t, r.Clone, r.Password, s.password(""))
	for _, doc := range []secretdoc.Document{tenant, tenant.WithUsername(r.Clone).WithPassword(r.Password)} {
		rights, err := s.connect(t, doc).Privileges(t.Context(), doc.Username)
		s.done(t, err)
		equal(t, "what "+doc.Username+" lists and EnsureClone", rights, result.Privileges)
	}
	r.Password, r.Proven = redact.String{}, true
	again, err := admin.EnsureClone(t.Context(), r)
	s.done(t, err)
	if len(again.Changes) > 0 {
		t.Errorf("a second call changes %q", again.Changes)
	}
}

// foretells asks for what preflight asks.
func (s *suite) foretells(t *testing.T, session engine.Session, r engine.InspectRequest, refused []fault.Code) {
	t.Helper()
	inspector, ok := session.(engine.Inspector)
	if !ok {
		return
	}
	_, err := inspector.CanRotate(t.Context(), r)
	s.check(t, err)
	if err != nil && !fault.Is(err, refused...) {
		t.Errorf("CanRotate: %v", err)
	}
}

// done expects no error.
func (s *suite) done(t testing.TB, err error) {
	t.Helper()
	s.check(t, err)
	if err != nil {
		t.Error(err)
	}
}
