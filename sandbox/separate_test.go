package sandbox_test

import "testing"

const separating = `{"secretId":"prod/app","strategy":"alternating-users","separateOwnership":true}`

// Issue 11, case 7: with separateOwnership a clone is somebody of its own, to sessions,
// policies and owners, and a pair can go over to it and back.
func TestSeparateOwnership(t *testing.T) {
	for name, requests := range map[string][]string{
		"from the beginning": {separating, separating, separating},
		"later":              {alternating, alternating, alternating, separating, separating, separating},
		"and back":           {separating, separating, separating, alternating, alternating, alternating},
	} {
		t.Run(name, func(t *testing.T) {
			w := newPairWorld(t)
			w.db.Exec("CREATE TABLE shared (id int); INSERT INTO shared VALUES (1); GRANT SELECT ON shared TO " + quoted(w.db.User))
			t.Cleanup(func() { w.db.Exec("DROP OWNED BY " + quoted(w.db.User+"_clone")) })
			clone := w.db.User + "_clone"
			acts := map[string]string{} // by strategy: who a session of the clone is
			for i, request := range requests {
				if result := w.preflight(request); !result.WouldRotate {
					t.Errorf("preflight %d: %+v", i, result)
				}
				if e := w.rotate(request); e.State != "Rotated" {
					t.Fatalf("rotation %d ended in %s with %s: %s", i, e.State, e.Error, e.Cause)
				}
				w.bothLogIn()
				current, _ := w.value("AWSCURRENT")
				conn, err := w.db.Server.Login(t.Context(), current.Username, current.Password, w.db.Name)
				w.check(err)
				results, err := conn.Exec(t.Context(), "SELECT current_user, (SELECT count(*) FROM shared)").ReadAll()
				w.check(err)
				w.check(conn.Close(t.Context()))
				if current.Username == clone {
					acts[request] = string(results[0].Rows[0][0])
				}
			}
			if got, has := acts[separating]; has && got != clone {
				t.Errorf("with separateOwnership a session of the clone is %q", got)
			}
			if got, has := acts[alternating]; has && got != w.db.User {
				t.Errorf("without it a session of the clone is %q", got)
			}
		})
	}
}
