package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

const (
	one = "rotations:\n  - secret: prod/app\n"
	vpc = "network: {vpc: vpc-00000001, subnets: [subnet-00000001]}"
)

// mistake is a wrong configuration and how it is reported: position, field, value
// and remedy.
type mistake struct{ name, src, want string }

var mistakes = []mistake{
	{"empty", "# nothing\n", `r.yaml: the file is empty: write at least "rotations:"`},
	{"no rotations", "name: x\n", "r.yaml: rotations: there is nothing to rotate: write at least"},
	{"empty rotations", "rotations: []\n", "r.yaml:1:12: rotations: there is nothing to rotate: write at least"},
	{"rotations without value", "rotations:\n", "r.yaml:1:12: rotations: has no value: give it one, or remove the line"},
	{"rotations no list", "rotations: prod/app\n", `r.yaml:1:12: rotations: is the text "prod/app" but must be a list: begin each item with "- "`},
	{"rotation no block", "rotations:\n  - prod/app\n", `r.yaml:2:5: rotations[0]: is the text "prod/app" but must be a block of fields: write its fields as secret, strategy`},
	{"tab", "rotations:\n\t- secret: a\n", "r.yaml:2:1: this is not valid YAML: found character '\t'"},
	{"colon in text", "rotations:\n  - secret: a: b\n", "r.yaml:2:13: this is not valid YAML"},
	{"field twice", one + "    secret: b\n", "r.yaml:3:5: this is not valid YAML: mapping key \"secret\" already defined at [2:5]: give each field once"},
	{"two documents", one + "---\n" + one, "r.yaml:4:1: a second YAML document begins here: keep one document per file"},
	{"dangling alias", one + "    network: *db\n", "r.yaml:3:14: rotations[0].network: *db refers to nothing: mark the value it stands for with &db"},
	{"typo at the top", "rotation:\n" + one, "r.yaml:1:1: rotation: there is no such field: did you mean rotations?"},
	{"typo in a rotation", one + "    strateg: single-user\n", "r.yaml:3:5: rotations[0].strateg: there is no such field: did you mean strategy?"},
	{"wrong case", one + "    kmskey: x\n", "r.yaml:3:5: rotations[0].kmskey: there is no such field: did you mean kmsKey?"},
	{"unlike any field", one + "    xyzzy: x\n", "r.yaml:3:5: rotations[0].xyzzy: there is no such field: use one of secret, strategy"},
	{"typo in alerts", one + "alerts:\n  mails: [a@b.c]\n", "r.yaml:4:3: alerts.mails: there is no such field: did you mean emails?"},
	{"number for text", "rotations:\n  - secret: 12\n", "r.yaml:2:13: rotations[0].secret: is 12: write one text, in quotes if it looks like a number"},
	{"list for text", "rotations:\n  - secret: [a]\n", "r.yaml:2:13: rotations[0].secret: is a list: write one text"},
	{"text for truth", one + "tracing: \"yes\"\n", `r.yaml:3:10: tracing: is the text "yes": write true or false, without quotes`},
	{"text for number", one + "logRetentionDays: \"30\"\n", `r.yaml:3:19: logRetentionDays: is the text "30": write a positive whole number, without quotes`},
	{"negative number", one + "logRetentionDays: -3\n", "r.yaml:3:19: logRetentionDays: is -3: write a positive whole number"},
	{"retention", one + "logRetentionDays: 31\n", "r.yaml:3:19: logRetentionDays: CloudWatch Logs cannot keep logs for 31 days: use 60"},
	{"retention too long", one + "logRetentionDays: 9999\n", "r.yaml:3:19: logRetentionDays: CloudWatch Logs cannot keep logs for 9999 days: use 3653"},
	{"name", one + "name: Prod_1\n", `r.yaml:3:7: name: "Prod_1" is not valid here: use 1-32 small letters, digits and hyphens`},
	{"architecture", one + "architecture: amd64\n", `r.yaml:3:15: architecture: "amd64" is not known: did you mean arm64? Use one of arm64, x86_64`},
	{"runbook", one + "alerts: {runbook: docs/runbook.md}\n", `r.yaml:3:19: alerts.runbook: "docs/runbook.md" is not valid here: write the https:// address`},
	{"removal policy", one + "removalPolicy: keep\n", `r.yaml:3:16: removalPolicy: "keep" is not known: `},
	{"email", one + "alerts: {emails: [oncall]}\n", `r.yaml:3:19: alerts.emails[0]: "oncall" is not valid here: write an e-mail address`},
	{"email twice", one + "alerts: {emails: [a@b.c, a@b.c]}\n", `r.yaml:3:26: alerts.emails[1]: "a@b.c" is listed twice: remove one of the two`},
	{"no secret", "rotations:\n  - schedule: rate(1 day)\n", `r.yaml:2:5: rotations[0]: field secret is missing: add "secret:"`},
	{"secret name", "rotations:\n  - secret: prod app\n", `r.yaml:2:13: rotations[0].secret: "prod app" is not valid here: write the secret's name`},
	{"partial ARN", "rotations:\n  - secret: arn:aws:secretsmanager:eu-west-1:111122223333:secret:app\n", "rotations[0].secret: \"arn:aws:secretsmanager:eu-west-1:111122223333:secret:app\" is not valid here: write the complete ARN"},
	{"secret twice", one + "  - secret: prod/app\n", `r.yaml:3:13: rotations[1].secret: "prod/app" is already rotated by rotations[0]: remove one of the two`},
	{"secret by name and ARN", one + "  - secret: arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/app-AbCdEf\n", "r.yaml:3:13: rotations[1].secret: \"arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/app-AbCdEf\" is already rotated by rotations[0]"},
	{"managed secret", "rotations:\n  - secret: rds!db-0123\n", `r.yaml:2:13: rotations[0].secret: "rds!db-0123" is managed by rds, which rotates it itself: name it as superuserSecret`},
	{"strategy", one + "    strategy: alternating\n", `r.yaml:3:15: rotations[0].strategy: "alternating" is not known: `},
	{"no superuser", one + "    strategy: alternating-users\n", "r.yaml:2:5: rotations[0]: strategy alternating-users needs a superuserSecret: add superuserSecret"},
	{"own superuser", one + "    superuserSecret: prod/app\n", `r.yaml:3:22: rotations[0].superuserSecret: "prod/app" is the secret that is rotated: name the secret of another user`},
	{"schedule", one + "    schedule: 0 2 * * *\n", `r.yaml:3:15: rotations[0].schedule: expression "0 2 * * *": a schedule is rate(Value Unit)`},
	{"duration unit", one + "    schedule: rate(1 day)\n    duration: 90m\n", `r.yaml:4:15: rotations[0].duration: duration "90m": `},
	{"duration too long", one + "    schedule: rate(2 days)\n    duration: 25h\n", `r.yaml:4:15: rotations[0].duration: duration "25h": `},
	{"duration without schedule", one + "    duration: 3h\n", "r.yaml:3:15: rotations[0].duration: needs a schedule, and this rotation has none: add a schedule, or remove duration"},
	{"no vpc", one + "    network:\n      subnets: [subnet-00000001]\n", "r.yaml:4:7: rotations[0].network: field vpc is missing: add the id"},
	{"vpc name", one + "    network: {vpc: main, subnets: [subnet-00000001]}\n", `r.yaml:3:20: rotations[0].network.vpc: "main" is not valid here: write the id of a VPC`},
	{"no subnets", one + "    network: {vpc: vpc-00000001}\n", "r.yaml:3:14: rotations[0].network: there are no subnets: add the ids"},
	{"subnet", one + "    network: {vpc: vpc-00000001, subnets: [a]}\n", `rotations[0].network.subnets[0]: "a" is not valid here: write the id of a subnet`},
	{"security group", one + "    network: {vpc: vpc-00000001, subnets: [subnet-00000001], securityGroups: [default]}\n", `securityGroups[0]: "default" is not valid here: write the id of a security group`},
	{"key alias", one + "    kmsKey: alias/app\n", `r.yaml:3:13: rotations[0].kmsKey: "alias/app" is not valid here: write the key's ARN`},
	{"schedule below four hours", one + "    schedule: rate(3 hours)\n", `r.yaml:3:15: rotations[0].schedule: `},
	{"schedule on an impossible date", one + "    schedule: cron(0 2 30 2 ? *)\n", `r.yaml:3:15: rotations[0].schedule: `},
	{"freeze", one + "    schedule: rate(1 day)\n    freeze: [2026-02-30]\n", `r.yaml:4:14: rotations[0].freeze[0]: freeze "2026-02-30": "2026-02-30" is not a date of the calendar: write a date such as`},
	{"freeze without schedule", one + "    freeze: [2026-12-24]\n", "rotations[0].freeze: needs a schedule, and this rotation has none: add a schedule, or remove freeze"},
	{"flexible start", one + "    schedule: rate(1 day)\n    flexibleStart: soon\n", `r.yaml:4:20: rotations[0].flexibleStart: "soon" is not a length of time: write minutes or hours, such as 30m or 2h`},
	{"no room for the run", one + "    schedule: rate(4 hours)\n    flexibleStart: 1h\n", "rotations[0].flexibleStart: 1h leaves no room for the run in a window of 1 hours: use at most 30m, or a longer duration"},
	{"backstop", one + "    nativeBackstop: 3 months\n", `r.yaml:3:21: rotations[0].nativeBackstop: "3 months" is not a number of days: write 1d to 999d, such as 90d`},
	{"backstop in front of the schedule", one + "    schedule: cron(0 2 1 1/3 ? *)\n    nativeBackstop: 90d\n", "r.yaml:4:21: rotations[0].nativeBackstop: 90d is not longer than the schedule, which leaves up to 92 days between rotations: use 93d or more"},
	{"backstop with an own function", one + "    nativeBackstop: 90d\n    rotationFunction: arn:aws:lambda:eu-west-1:111122223333:function:f\n", "r.yaml:3:21: rotations[0].nativeBackstop: rotates through Tumbler's own function, and this rotation has a rotationFunction: remove one of the two"},
	{"rotation function", one + "    rotationFunction: db2\n", `r.yaml:3:23: rotations[0].rotationFunction: "db2" is not valid here: write the function's ARN`},
	{"recover without superuser", one + "    recoverPassword: true\n", "r.yaml:3:22: rotations[0].recoverPassword: needs a superuserSecret: add superuserSecret"},
	{"keep with two users", one + "    keepPrevious: true\n    strategy: alternating-users\n    superuserSecret: admin\n", "r.yaml:3:19: rotations[0].keepPrevious: is about the strategy single-user: remove it"},
	{"separate with one user", one + "    separateOwnership: true\n", "r.yaml:3:24: rotations[0].separateOwnership: is about the strategy alternating-users: remove it"},
	{"recover with two users", one + "    recoverPassword: true\n    strategy: alternating-users\n    superuserSecret: admin\n", "r.yaml:3:22: rotations[0].recoverPassword: is about the strategy single-user: remove it"},
	{"superuser's key without superuser", one + "    superuserKmsKey: arn:aws:kms:eu-west-1:111122223333:key/mrk-1234567890abcdef1234567890abcdef\n", "r.yaml:3:22: rotations[0].superuserKmsKey: there is no superuserSecret: add superuserSecret, or remove superuserKmsKey"},
	{"password length", one + "    password: {length: 4}\n", "r.yaml:3:24: rotations[0].password.length: 4 is no length for a password: use 8 to 128"},
	{"password of nothing", one + "    password: {excludeNumbers: true, excludePunctuation: true, excludeUppercase: true, excludeLowercase: true}\n", "rotations[0].password: excludes every class of characters: leave at least one class in"},
	{"no such network", one + "    network: databse\nnetworks:\n  database: {vpc: vpc-00000001, subnets: [subnet-00000001]}\n", `r.yaml:3:14: rotations[0].network: there is no network "databse": did you mean database?`},
	{"no networks", one + "    network: database\n", `r.yaml:3:14: rotations[0].network: there is no network "database": write it under networks`},
	{"network's name", one + "networks:\n  none: {vpc: vpc-00000001, subnets: [subnet-00000001]}\n", `r.yaml:4:9: networks.none: "none" is no name for a network: use 1-16 small letters`},
	{"network of a network", one + "networks:\n  a: b\n", `r.yaml:4:6: networks.a: is the text "b" but must be a network: write vpc and subnets in it`},
	{"second network without a name", one + "  - secret: b\n    " + vpc + "\n", "r.yaml:4:14: rotations[1].network: differs from the main network, and has no name: write it under networks"},
	{"no main network", "networks:\n  a: {vpc: vpc-00000001, subnets: [subnet-00000001]}\n  b: {vpc: vpc-00000002, subnets: [subnet-00000002]}\nrotations:\n  - {secret: x, network: b}\n  - {secret: y, network: a}\n", "rotations: are in several networks (b, a), and none of them is the default: write defaults: {network: b}"},
	{"main network of nobody", "networks:\n  a: {vpc: vpc-00000001, subnets: [subnet-00000001]}\n  b: {vpc: vpc-00000002, subnets: [subnet-00000002]}\ndefaults: {network: a}\nrotations:\n  - {secret: x, network: b}\n", "defaults.network: no rotation is in it: write defaults: {network: b}"},
	{"vpc twice", one + "    network: {vpc: vpc-00000001, vpcTags: {Name: a}}\n", "rotations[0].network.vpcTags: there is a vpc, too: keep one of the two"},
	{"subnet twice", one + "    network: {vpc: vpc-00000001, subnets: [subnet-00000001, subnet-00000001]}\n", `r.yaml:3:61: rotations[0].network.subnets[1]: "subnet-00000001" is listed twice: remove one of the two`},
	{"too many groups", one + "    network: {vpc: vpc-00000001, subnets: [subnet-00000001], securityGroups: [sg-00000001, sg-00000002, sg-00000003, sg-00000004, sg-00000005]}\n", "rotations[0].network.securityGroups: there are 5, and one is added: list at most 4"},
	{"port", one + "    network: {vpc: vpc-00000001, subnets: [subnet-00000001], databasePorts: [70000]}\n", "rotations[0].network.databasePorts[0]: 70000 is no port: use 1 to 65535"},
	{"endpoints", one + "    network: {vpc: vpc-00000001, subnets: [subnet-00000001], endpoints: created}\n", `rotations[0].network.endpoints: "created" is not known: did you mean create? Use one of none, create, reuse`},
	{"reuse without groups", one + "    network: {vpc: vpc-00000001, subnets: [subnet-00000001], endpoints: reuse}\n", "rotations[0].network.endpoints: reuse needs the security groups of the endpoints: add endpointSecurityGroups"},
	{"groups without reuse", one + "    network: {vpc: vpc-00000001, subnets: [subnet-00000001], endpointSecurityGroups: [sg-00000001]}\n", "rotations[0].network.endpointSecurityGroups: are of endpoints that exist: write endpoints: reuse, or remove them"},
	{"secret by default", one + "defaults:\n  secret: x\n", `r.yaml:4:11: defaults.secret: "x" cannot be the default of every rotation: remove it`},
	{"wrong default, once", one + "  - secret: b\ndefaults:\n  strategy: both\n", `r.yaml:5:13: defaults.strategy: "both" is not known: `},
	{"event's sender", one + "rotateNow: {allow: [incident-response]}\n", `r.yaml:3:21: rotateNow.allow[0]: "incident-response" is not valid here: write an account's number, or the ARN`},
	{"every sender", one + "rotateNow: {allow: ['arn:aws:iam::111122223333:role/*']}\n", `rotateNow.allow[0]: "arn:aws:iam::111122223333:role/*" is not valid here`},
	{"account as a number", one + "rotateNow: {allow: [111122223333]}\n", "rotateNow.allow[0]: is 111122223333: write one text, in quotes if it looks like a number"},
	{"sender twice", one + "rotateNow: {allow: ['111122223333', '111122223333']}\n", `rotateNow.allow[1]: "111122223333" is listed twice: remove one of the two`},
	{"interval", one + "rotateNow: {minimumInterval: 1 day}\n", `r.yaml:3:30: rotateNow.minimumInterval: "1 day" is not a length of time: write minutes or hours`},
	{"sender of no events", one + "rotateNow: {enabled: false, allow: ['111122223333']}\n", "r.yaml:3:36: rotateNow.allow: is about events, and they are turned off: remove it, or enabled: false"},
	{"also update the password", one + "    alsoUpdate: [password]\n", `r.yaml:3:18: rotations[0].alsoUpdate[0]: "password" is one of the keys that every secret has: remove it`},
	{"also update nothing", one + "    alsoUpdate: ['']\n", `rotations[0].alsoUpdate[0]: "" is no key: write the key of the secret's JSON`},
	{"also update twice", one + "    alsoUpdate: [url, url]\n", `rotations[0].alsoUpdate[1]: "url" is listed twice: remove one of the two`},
	{"no authority", one + "certificateAuthorities: [gone.pem]\n", `r.yaml:3:26: certificateAuthorities[0]: there is no file "gone.pem": correct it; the path is relative to the configuration`},
	{"topic", one + "alerts: {topic: oncall}\n", `r.yaml:3:17: alerts.topic: "oncall" is not valid here: write the ARN of a standard topic`},
	{"severity", one + "alerts: {emails: [a@b.c], severity: error}\n", `r.yaml:3:37: alerts.severity: "error" is not known: use one of info, warning, critical`},
	{"severity for nobody", one + "alerts: {severity: info}\n", "r.yaml:3:20: alerts.severity: limits what is sent to emails, and there are none: add emails"},
	{"boundary", one + "permissionsBoundary: bound\n", `r.yaml:3:22: permissionsBoundary: "bound" is not valid here: write the ARN of an IAM policy`},
	{"tag", one + "tags:\n  aws:x: y\n", `tags.aws:x: "aws:x" is no key for a tag: use 1-128 characters that do not begin with aws:`},
	{"tags as a list", one + "tags: [a]\n", `r.yaml:3:7: tags: is a list but must be a block: write NAME: VALUE`},
	{"log key", one + "logKmsKey: alias/logs\n", `r.yaml:3:12: logKmsKey: "alias/logs" is not valid here: write the key's ARN`},
	{"pattern of everything", one + "permissions: {secrets: ['*']}\n", `r.yaml:3:25: permissions.secrets[0]: "*" is not valid here: write the beginning of a name`},
	{"pattern of nothing", one + "permissions: {secrets: [prod/*, test/*]}\n", `permissions.secrets[1]: "test/*" covers no secret of this file: remove it`},
	{"secret without a pattern", one + "  - secret: test/app\npermissions: {secrets: [prod/*]}\n", `permissions.secrets: no pattern covers "test/app": add a pattern for it`},
	{"too long for IAM", named(700), `r.yaml:2:3: rotations: characters of the longest role's policies in tumbler: 80400 of at most 66680: name the secrets by patterns (permissions: {secrets: ["prod/team/application-00*"]})`},
	{"too many", "permissions: {secrets: [prod/*]}\n" + named(10_001), "rotations: rotations: 10001 of at most 10000: divide the file into deployments"},
	{"too many resources", strings.ReplaceAll(named(450), "database\n", "database\n    nativeBackstop: 90d\n"), "rotations: resources of the template: "},
	{"names that events cannot tell apart", "networks:\n  a: {vpc: vpc-00000001, subnets: [subnet-00000001]}\ndefaults: {network: none}\nrotations:\n  - {secret: app, network: a}\n  - {secret: app-prod}\n", `r.yaml:6:14: rotations[1].secret: begins with "app-" of another network, and an event that names it by ARN would reach that one: write the complete ARN of app instead of its name`},
	{"too long for an event pattern", "networks:\n  a: {vpc: vpc-00000001, subnets: [subnet-00000001]}\ndefaults: {network: none}\n" + strings.ReplaceAll(named(30), "database\n", "database\n    network: a\n") + "  - secret: x\n", "rotations: characters of the event pattern for rotate-now: 3690 of at most 2048: write rotateNow: {enabled: false}"},
	{"another Region", "rotations:\n  - secret: arn:aws:secretsmanager:eu-west-1:111122223333:secret:a-AbCdEf\n  - secret: arn:aws:secretsmanager:us-east-1:111122223333:secret:b-AbCdEf\n", "r.yaml:3:13: rotations[1].secret: is in us-east-1 111122223333, and rotations[0].secret is in eu-west-1 111122223333: put the secrets of another account or Region into a file of their own"},
}

// named are so many rotations.
func named(n int) string {
	var b strings.Builder
	b.WriteString("rotations:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - secret: prod/team/application-%05d/database\n", i)
	}
	return b.String()
}

func TestMistakes(t *testing.T) {
	for _, tt := range mistakes {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := Parse("r.yaml", []byte(tt.src))
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %+v and error %v, want Problems", cfg, err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
			for _, p := range problems {
				if p.Remedy == "" {
					t.Errorf("no remedy: %s", p)
				}
			}
		})
	}
}

func TestAllMistakesAtOnceInOrder(t *testing.T) {
	_, err := Parse("r.yaml", []byte("rotations:\n  - secret: a b\n    schedule: daily\narchitecture: arm\n"))
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 3 {
		t.Fatalf("got %v, want three problems", err)
	}
	for i, line := range []int{2, 3, 4} {
		if problems[i].Line != line {
			t.Errorf("problem %d is at line %d, want %d", i, problems[i].Line, line)
		}
	}
}

// A field that there is not hides none of the other mistakes, and invents none.
func TestUnknownFieldHidesNothing(t *testing.T) {
	_, err := Parse("r.yaml", []byte("rotations:\n  - secret: a b\n    schedul: daily\narchitecture: arm\n"))
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 3 || !strings.Contains(err.Error(), "did you mean schedule") {
		t.Errorf("got %v, want three problems", err)
	}
	_, err = Parse("r.yaml", []byte("rotations:\n  - secert: a\n"))
	if !errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(err.Error(), "did you mean secret") {
		t.Errorf("got %v, want one problem", err)
	}
	_, err = Parse("r.yaml", []byte("rotatons:\n  - secret: a\n"))
	if !errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(err.Error(), "did you mean rotations") {
		t.Errorf("got %v, want one problem", err)
	}
}

// allFields lists the yaml names of every struct of the configuration.
func allFields() []string {
	var names []string
	var visit func(reflect.Type)
	visit = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			visit(t.Elem())
		case reflect.Struct:
			names = append(names, fieldNames(t)...)
			for i := range t.NumField() {
				visit(t.Field(i).Type)
			}
		}
	}
	visit(reflect.TypeFor[Config]())
	return names
}
