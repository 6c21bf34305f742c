package tdsfake_test

import (
	"testing"

	"github.com/tumbler-rotation/tumbler/proof/tdsfake"
)

// What the engine does not send is a syntax error, however harmless.
func TestUnknownStatements(t *testing.T) {
	s, err := tdsfake.Start(tdsfake.Config{SAPassword: "aB3.aB3."})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, text := range []string{
		"", ";", "SELECT 2", "DROP LOGIN [sa]", "ALTER LOGIN sa WITH PASSWORD = N'aB3.aB3.x'",
		"ALTER LOGIN [sa] WITH PASSWORD = 'aB3.aB3.x'", "ALTER LOGIN [sa] WITH PASSWORD = N'aB3.aB3.x'; USE [app]",
		"ALTER LOGIN [sa] WITH PASSWORD = N'aB3.aB3.x", "ALTER LOGIN [sa] WITH PASSWORD = N'a' PASSWORD = N'b'",
		"GRANT SELECT ON OBJECT::[dbo].[t] TO [a] CASCADE", "REVOKE SELECT ON OBJECT::[dbo].[t] TO [a]",
		"USE [app] [app]", "use [app]", "GRANT TO [a]",
	} {
		if err := s.Exec("app", text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	if err := s.Exec("app", "USE [app]"); err != nil {
		t.Error(err)
	}
}
