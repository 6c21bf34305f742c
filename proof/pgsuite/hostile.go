package pgsuite

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
)

// Tenancy is of users that own a database each. What they plant springs when it is
// used, whoever uses it: it makes the tenant a superuser if it can, and counts,
// by a sequence, which no rollback sets back.
func (f Fixture) Tenancy(more ...enginetest.Plant) *enginetest.Tenancy {
	return &enginetest.Tenancy{New: f.newTenant, Spoils: f.spoils, Plants: append(f.plants(), more...)}
}

func (f Fixture) newTenant(t testing.TB, user string, password redact.String) secretdoc.Document {
	f.CreateUser(t, user, password)
	name := pgwire.Identifier("db " + user)
	f.Exec("CREATE DATABASE " + name + " OWNER " + pgwire.Identifier(user))
	t.Cleanup(func() { f.Exec("DROP DATABASE " + name + " WITH (FORCE)") })
	tenant := f.Document(user, password)
	tenant.DBName = "db " + user
	f.as(t, tenant, `CREATE SEQUENCE public.fired; CREATE FUNCTION public.sprung() RETURNS bool LANGUAGE plpgsql SET search_path = pg_catalog SET client_min_messages = error AS $$
		BEGIN
			PERFORM pg_catalog.nextval('public.fired');
			BEGIN EXECUTE 'ALTER ROLE `+pgwire.Identifier(user)+` SUPERUSER'; EXCEPTION WHEN OTHERS THEN NULL; END;
			RETURN true;
		END $$`)
	return tenant
}

// as runs statements as the tenant, in its database, each in a transaction.
func (f Fixture) as(t testing.TB, tenant secretdoc.Document, statements ...string) {
	t.Helper()
	if err := f.try(tenant, statements...); err != nil {
		t.Fatal(err)
	}
}

func (f Fixture) try(tenant secretdoc.Document, statements ...string) error {
	conn, err := f.Server.Login(context.Background(), tenant.Username, tenant.Password, tenant.DBName)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	for _, sql := range statements {
		if _, err := conn.Exec(context.Background(), "SET TRANSACTION READ WRITE; "+strings.ReplaceAll(sql, "TENANT", tenant.Username)).ReadAll(); err != nil {
			return err
		}
	}
	return nil
}

// spoils asks as the server's superuser. The sequence is read by a session with a
// path of its own.
func (f Fixture) spoils(t testing.TB, tenant secretdoc.Document) []string {
	t.Helper()
	conn, err := f.Server.Login(t.Context(), f.Server.AdminUser, f.Server.AdminPassword, tenant.DBName)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	user := pgwire.Literal(tenant.Username)
	sql := pgwire.Operators("SELECT pg_catalog.concat('what was planted has run ', s.last_value, ' times') FROM public.fired s WHERE s.is_called UNION ALL " +
		"SELECT pg_catalog.concat(r.rolname, ' is super: ', r.rolsuper, ', creates roles: ', r.rolcreaterole, ', databases: ', r.rolcreatedb) FROM pg_catalog.pg_roles r " +
		"WHERE (r.rolname {=} USER OR r.rolname {=} 'USER_clone') AND (r.rolsuper OR r.rolcreaterole OR r.rolcreatedb) UNION ALL " +
		"SELECT pg_catalog.concat(m.rolname, ' is a member of ', r.rolname) FROM pg_catalog.pg_auth_members a JOIN pg_catalog.pg_roles m ON m.oid {=} a.member JOIN pg_catalog.pg_roles r ON r.oid {=} a.roleid " +
		"WHERE m.rolname {=} USER OR m.rolname {=} 'USER_clone' AND r.rolname {<>} USER")
	sql = strings.NewReplacer("'USER_clone'", pgwire.Literal(tenant.Username+"_clone"), "USER", user).Replace(sql)
	results, err := conn.Exec(t.Context(), "SET search_path = pg_catalog; SET ROLE none; SET statement_timeout = 0; "+sql).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, row := range results[len(results)-1].Rows {
		all = append(all, string(row[0]))
	}
	return all
}

// First is what makes the tenant's schema come before the server's own.
const first = `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$`

func setInDatabase(settings ...string) string {
	var all []string
	for _, s := range settings {
		all = append(all, fmt.Sprintf("EXECUTE pg_catalog.format('ALTER DATABASE %%I SET %s', pg_catalog.current_database());", strings.ReplaceAll(s, "'", "''")))
	}
	return "DO $do$ BEGIN " + strings.Join(all, " ") + " END $do$"
}

func (f Fixture) plants() []enginetest.Plant {
	lay := func(statements ...string) func(testing.TB, secretdoc.Document) {
		return func(t testing.TB, tenant secretdoc.Document) { t.Helper(); f.as(t, tenant, statements...) }
	}
	return []enginetest.Plant{
		{Name: "operator of field d02", Lay: lay(`CREATE FUNCTION public.f(oid, regclass) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN PERFORM public.sprung(); RETURN $1 OPERATOR(pg_catalog.=) $2::oid; END $$;
			CREATE OPERATOR public.= (LEFTARG = oid, RIGHTARG = regclass, FUNCTION = public.f)`)},
		{Name: "an application's operator", Lay: lay(`CREATE FUNCTION public.minus(jsonb, jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT $1'; CREATE OPERATOR public.- (LEFTARG = jsonb, RIGHTARG = jsonb, FUNCTION = public.minus)`)},
		{Name: "every operator that matches better", Lay: lay(betterOperators)},
		{Name: "every operator, first in the path", Lay: lay(sameOperators, first)},
		{Name: "every function, first in the path", Lay: lay(sameFunctions, first)},
		{Name: "every relation, first in the path", Lay: lay(sameRelations, first)},
		{Name: "every type, first in the path", Lay: lay(sameTypes, first)},
		{Name: "functions that match better", Lay: lay(betterFunctions)},
		{Name: "path of the role", Lay: lay(betterFunctions, `ALTER ROLE TENANT SET search_path = public, pg_catalog`)},
		{Name: "empty path", Lay: lay(setInDatabase(`search_path = ''`))},
		{Name: "casts", Lay: lay(`CREATE TYPE public.evil AS (a int); CREATE FUNCTION public.evil_text(public.evil) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM public.sprung(); RETURN ''; END $$;
			CREATE CAST (public.evil AS text) WITH FUNCTION public.evil_text AS IMPLICIT; CREATE FUNCTION public.text_evil(text) RETURNS public.evil LANGUAGE plpgsql AS $$ BEGIN PERFORM public.sprung(); RETURN NULL; END $$;
			CREATE CAST (text AS public.evil) WITH FUNCTION public.text_evil AS IMPLICIT; CREATE DOMAIN public.evil_name AS name CHECK (public.sprung())`)},
		{Name: "tables with triggers, rules, policies and defaults", Lay: lay(`CREATE FUNCTION public.trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.sprung(); RETURN NEW; END $$;
			CREATE TABLE public.pg_shdescription (objoid oid, classoid oid, description text DEFAULT public.sprung()::text);
			CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON public.pg_shdescription FOR EACH ROW EXECUTE FUNCTION public.trigger();
			CREATE RULE r AS ON INSERT TO public.pg_shdescription DO ALSO SELECT public.sprung();
			CREATE TABLE public.pg_auth_members (roleid oid, member oid, CHECK (public.sprung())); ALTER TABLE public.pg_auth_members ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY p ON public.pg_auth_members USING (public.sprung());
			CREATE INDEX i ON public.pg_auth_members ((roleid::text)); ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC; ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO PUBLIC`, first)},
		{Name: "names that end a statement", Lay: lay(`CREATE SCHEMA "x""; ALTER ROLE TENANT SUPERUSER; --"; CREATE TYPE public."t) TO PUBLIC; ALTER ROLE TENANT SUPERUSER; --" AS ENUM ('a');
			CREATE FUNCTION public."f(); ALTER ROLE TENANT SUPERUSER; --"("a') b" public."t) TO PUBLIC; ALTER ROLE TENANT SUPERUSER; --") RETURNS int LANGUAGE sql AS 'SELECT 1';
			ALTER ROLE TENANT SET search_path = 'x''; ALTER ROLE TENANT SUPERUSER; --', E'\\'''`)},
		// 表 ends in a backslash in SJIS, which then eats the one that we put in.
		{Name: "encoding in which a character ends in a backslash", Lay: lay(`ALTER ROLE TENANT SET search_path = '表''; ALTER ROLE TENANT SUPERUSER; --'`,
			setInDatabase(`client_encoding = 'SJIS'`, `backslash_quote = on`))},
		{Name: "quoting", Lay: lay(`ALTER ROLE TENANT SET search_path = E'\\''; ALTER ROLE TENANT SUPERUSER; --', E'\\'`,
			setInDatabase(`standard_conforming_strings = off`, `backslash_quote = on`, `quote_all_identifiers = on`, `escape_string_warning = on`))},
		{Name: "read-only", Lay: lay(setInDatabase(`default_transaction_deferrable = on`, `default_transaction_isolation = 'serializable'`, `default_transaction_read_only = on`))},
		{Name: "how things are written", Lay: lay(setInDatabase(`DateStyle = 'German'`, `IntervalStyle = 'sql_standard'`, `TimeZone = 'Asia/Kathmandu'`, `extra_float_digits = -15`,
			`bytea_output = 'escape'`, `transform_null_equals = on`, `row_security = off`, `array_nulls = off`, `xmloption = document`, `lc_numeric = 'C'`))},
	}
}

// WithoutPath runs statements as the superuser in a database in which everything is
// planted and comes first in the path, with nothing to protect it but what each
// statement says itself.
func (f Fixture) WithoutPath(t *testing.T, statements []string) {
	t.Helper()
	user := "et" + strings.TrimPrefix(f.User, "user_")
	password := redact.New("t3nant-Pa55word")
	t.Cleanup(func() { f.DropUser(t, user) })
	tenant := f.newTenant(t, user, password)
	f.as(t, tenant, betterOperators, "DROP FUNCTION public.trap", sameOperators, "DROP FUNCTION public.trap", sameFunctions, "DROP FUNCTION public.trap", betterFunctions, sameRelations, sameTypes)
	conn, err := f.Server.Login(t.Context(), f.Server.AdminUser, f.Server.AdminPassword, tenant.DBName)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), "SET search_path = public, pg_catalog; "+sql).ReadAll(); err != nil {
			t.Errorf("%v: %s", err, sql)
		}
		if spoils := f.spoils(t, tenant); len(spoils) > 0 {
			t.Fatalf("the tenant has gained %q by %s", spoils, sql)
		}
	}
	// The traps work, or nothing is proven.
	_, _ = conn.Exec(t.Context(), "SET search_path = public, pg_catalog; SELECT rolname FROM pg_roles WHERE rolname = 'app'").ReadAll()
	if len(f.spoils(t, tenant)) == 0 {
		t.Error("not even a careless statement springs the traps")
	}
}

// PostgresPlants are those that Redshift has nothing like.
func (f Fixture) PostgresPlants() []enginetest.Plant {
	return []enginetest.Plant{
		{Name: "sessions that act as the tenant", Lay: func(t testing.TB, tenant secretdoc.Document) {
			t.Helper()
			f.as(t, tenant, setInDatabase("role = "+pgwire.Literal(tenant.Username), "session_authorization = "+pgwire.Literal(tenant.Username)))
		}},
		{Name: "time limits", Lay: func(t testing.TB, tenant secretdoc.Document) {
			t.Helper()
			limits := []string{"lock_timeout = 1", "idle_in_transaction_session_timeout = 1", "statement_timeout = 500"}
			if f.Server.Version >= "17" {
				limits = append(limits, "transaction_timeout = 500")
			}
			f.as(t, tenant, setInDatabase(limits...))
		}},
		{Name: "event trigger of its own", Lay: func(t testing.TB, tenant secretdoc.Document) {
			t.Helper()
			f.as(t, tenant, eventFunction)
			if err := f.try(tenant, "CREATE EVENT TRIGGER evil ON ddl_command_start EXECUTE FUNCTION public.on_event()"); err == nil {
				t.Error("this server lets everybody make event triggers: see whether they are kept from firing")
			}
		}},
		// As a member of RDS's rds_superuser might make it.
		{Name: "event trigger by a function of its own", Refused: []fault.Code{fault.DatabaseError}, Lay: func(t testing.TB, tenant secretdoc.Document) {
			t.Helper()
			f.as(t, tenant, eventFunction)
			admin := tenant.WithUsername(f.Server.AdminUser).WithPassword(f.Server.AdminPassword)
			f.as(t, admin, "CREATE EVENT TRIGGER a ON ddl_command_start EXECUTE FUNCTION public.on_event(); CREATE EVENT TRIGGER b ON ddl_command_end EXECUTE FUNCTION public.on_event(); "+
				"CREATE EVENT TRIGGER c ON sql_drop EXECUTE FUNCTION public.on_event()")
		}},
	}
}

const eventFunction = `CREATE FUNCTION public.on_event() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.sprung(); END $$`

// trap makes a function of the same arguments and result as something of the
// server's own, as far as PL/pgSQL can have them.
const trap = `CREATE FUNCTION public.trap(name text, args text, result text) RETURNS bool LANGUAGE plpgsql AS $trap$
	BEGIN
		EXECUTE pg_catalog.format('CREATE FUNCTION public.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', name, args, result,
			CASE WHEN result LIKE 'SETOF %' OR result LIKE 'TABLE%' OR result = 'void' THEN 'BEGIN PERFORM public.sprung(); RETURN; END' ELSE 'BEGIN PERFORM public.sprung(); RETURN NULL; END' END);
		RETURN true;
	EXCEPTION WHEN OTHERS THEN RETURN false;
	END $trap$; `

const sameFunctions = trap + `DO $do$ DECLARE f record; n int := 0; BEGIN
	SET LOCAL search_path = pg_catalog;
	FOR f IN SELECT proname::text, pg_get_function_identity_arguments(oid) a, pg_get_function_result(oid) r FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' LOOP
		n := n + public.trap(f.proname, f.a, f.r)::int;
	END LOOP;
	IF n < 2000 THEN RAISE EXCEPTION 'only % functions', n; END IF;
	IF NOT public.trap('agg_json', 'json, json', 'json') OR NOT public.trap('agg_jsonb', 'json, jsonb', 'json') THEN RAISE EXCEPTION 'no aggregates'; END IF;
	CREATE AGGREGATE public.json_agg(json) (SFUNC = public.agg_json, STYPE = json); CREATE AGGREGATE public.json_agg(jsonb) (SFUNC = public.agg_jsonb, STYPE = json);
END $do$`

const sameOperators = trap + `DO $do$ DECLARE o record; n int := 0; BEGIN
	SET LOCAL search_path = pg_catalog;
	FOR o IN SELECT oid, oprname, format_type(nullif(oprleft, 0), NULL) l, format_type(oprright, NULL) r, format_type(oprresult, NULL) res FROM pg_operator WHERE oprnamespace = 'pg_catalog'::regnamespace LOOP
		IF public.trap('op_' || o.oid, concat_ws(', ', o.l, o.r), o.res) THEN
			BEGIN EXECUTE format('CREATE OPERATOR public.%s (FUNCTION = public.%I, RIGHTARG = %s %s)', o.oprname, 'op_' || o.oid, o.r, ', LEFTARG = ' || o.l); n := n + 1;
			EXCEPTION WHEN OTHERS THEN NULL; END;
		END IF;
	END LOOP;
	IF n < 600 THEN RAISE EXCEPTION 'only % operators', n; END IF;
END $do$`

// betterOperators are those that the server has for none of these pairs of types
// itself, so that an expression on them takes the tenant's, wherever it comes in
// the path.
const betterOperators = trap + `DO $do$ DECLARE o text; l text; r text; f text; n int := 0; types text[] := '{oid,regclass,name,text,"\"char\"",int4,float8,timestamptz,json,jsonb,name[],text[],"\"char\"[]"}'; BEGIN
	SET LOCAL search_path = pg_catalog;
	FOREACH l IN ARRAY types LOOP FOREACH r IN ARRAY types LOOP
		f := format('op_%s_%s', array_position(types, l), array_position(types, r));
		IF NOT public.trap(f || '_b', format('%s, %s', l, r), 'bool') OR NOT public.trap(f, format('%s, %s', l, r), r) THEN RAISE EXCEPTION 'no function of % and %', l, r; END IF;
		FOREACH o IN ARRAY '{=,<>,<,>,||,->>,-,~,!~,*,/}'::text[] LOOP
			CONTINUE WHEN EXISTS (SELECT 1 FROM pg_operator WHERE oprname = o AND oprleft = l::regtype AND oprright = r::regtype);
			n := n + 1;
			EXECUTE format('CREATE OPERATOR public.%s (FUNCTION = public.%I, LEFTARG = %s, RIGHTARG = %s)', o, CASE WHEN o IN ('=', '<>', '<', '>', '~', '!~') THEN f || '_b' ELSE f END, l, r);
		END LOOP;
	END LOOP; END LOOP;
	IF n < 1500 THEN RAISE EXCEPTION 'only % operators', n; END IF;
END $do$`

const betterFunctions = trap + `DO $do$ DECLARE a text; f text; n int := 0; BEGIN
	SET LOCAL search_path = pg_catalog;
	FOREACH f IN ARRAY '{to_jsonb,current_setting,array_to_string,date_part,to_char,coalesce,substr,substring,unnest,pg_has_role,json_agg,now,clock_timestamp,timezone,aclexplode,concat,chr,shobj_description}'::text[] LOOP
		FOREACH a IN ARRAY '{pg_roles,pg_auth_members,name,"text,int4","text,text","name,text","oid,text","text,bool","text[],text","text[]","text,timestamptz","timestamp,text","unknown","name,int4","name,int4,int4","aclitem[]",int4,"text,text,text"}'::text[] LOOP
			n := n + public.trap(f, a, 'text')::int;
		END LOOP;
	END LOOP;
	FOREACH f IN ARRAY '{json_build_object,jsonb_build_object}'::text[] LOOP
		n := n + public.trap(f, 'VARIADIC text[]', 'json')::int;
		FOR i IN 1..14 LOOP n := n + public.trap(f, pg_catalog.repeat('text,', i - 1) || 'text', 'json')::int; END LOOP;
	END LOOP;
	IF n < 300 THEN RAISE EXCEPTION 'only % functions', n; END IF;
END $do$`

const sameRelations = `DO $do$ DECLARE r record; n int := 0; BEGIN
	FOR r IN SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'v') LOOP
		BEGIN EXECUTE format('CREATE VIEW public.%I AS SELECT * FROM pg_catalog.%I WHERE public.sprung()', r.relname, r.relname); n := n + 1;
		EXCEPTION WHEN OTHERS THEN NULL; END;
	END LOOP;
	IF n < 120 THEN RAISE EXCEPTION 'only % relations', n; END IF;
END $do$`

const sameTypes = `DO $do$ DECLARE y record; n int := 0; BEGIN
	FOR y IN SELECT typname, format('pg_catalog.%I', typname) full FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' AND typname NOT LIKE '\_%' LOOP
		BEGIN EXECUTE format('CREATE DOMAIN public.%I AS %s CHECK (public.sprung())', y.typname, y.full); n := n + 1;
		EXCEPTION WHEN OTHERS THEN NULL; END;
	END LOOP;
	IF n < 40 THEN RAISE EXCEPTION 'only % types', n; END IF;
END $do$`
