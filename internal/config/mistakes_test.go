package config

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// Each mistake is reported with its position, field, value and remedy.
func TestMistakes(t *testing.T) {
	const one = "rotations:\n  - secret: prod/app\n"
	const vpc = "network: {vpc: vpc-00000001, subnets: [subnet-00000001]}"
	tests := []struct{ name, src, want string }{
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
		{"unlike any field", one + "    password: x\n", "r.yaml:3:5: rotations[0].password: there is no such field: use one of secret, strategy"},
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
		{"email", one + "alerts: {emails: [oncall]}\n", `r.yaml:3:19: alerts.emails[0]: "oncall" is not valid here: write an e-mail address`},
		{"email twice", one + "alerts: {emails: [a@b.c, a@b.c]}\n", `r.yaml:3:26: alerts.emails[1]: "a@b.c" is listed twice: remove one of the two`},
		{"no secret", "rotations:\n  - schedule: rate(1 day)\n", `r.yaml:2:5: rotations[0]: field secret is missing: add "secret:"`},
		{"secret name", "rotations:\n  - secret: prod app\n", `r.yaml:2:13: rotations[0].secret: "prod app" is not valid here: write the secret's name`},
		{"partial ARN", "rotations:\n  - secret: arn:aws:secretsmanager:eu-west-1:111122223333:secret:app\n", "rotations[0].secret: \"arn:aws:secretsmanager:eu-west-1:111122223333:secret:app\" is not valid here: write the complete ARN"},
		{"secret twice", one + "  - secret: prod/app\n", `r.yaml:3:13: rotations[1].secret: "prod/app" is already rotated by rotations[0]: remove one of the two`},
		{"secret by name and ARN", one + "  - secret: arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/app-AbCdEf\n", "r.yaml:3:13: rotations[1].secret: \"arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/app-AbCdEf\" is already rotated by rotations[0]"},
		{"strategy", one + "    strategy: alternating\n", `r.yaml:3:15: rotations[0].strategy: "alternating" is not known: `},
		{"no superuser", one + "    strategy: alternating-users\n", "r.yaml:2:5: rotations[0]: strategy alternating-users needs a superuserSecret: add superuserSecret"},
		{"own superuser", one + "    superuserSecret: prod/app\n", `r.yaml:3:22: rotations[0].superuserSecret: "prod/app" is the secret that is rotated: name the secret of another user`},
		{"schedule", one + "    schedule: 0 2 * * *\n", `r.yaml:3:15: rotations[0].schedule: "0 2 * * *" is not a schedule: write rate(10 days) or cron(0 2 ? * SUN *), in UTC`},
		{"duration unit", one + "    schedule: rate(1 day)\n    duration: 90m\n", `r.yaml:4:15: rotations[0].duration: "90m" is not a duration: write whole hours, such as 3h`},
		{"duration too long", one + "    schedule: rate(2 days)\n    duration: 25h\n", "r.yaml:4:15: rotations[0].duration: 25h is no length for a rotation window: use 1h to 24h"},
		{"duration without schedule", one + "    duration: 3h\n", "r.yaml:3:15: rotations[0].duration: a window needs a schedule that opens it: add a schedule, or remove duration"},
		{"no vpc", one + "    network:\n      subnets: [subnet-00000001]\n", "r.yaml:4:7: rotations[0].network: field vpc is missing: add the id"},
		{"vpc name", one + "    network: {vpc: main, subnets: [subnet-00000001]}\n", `r.yaml:3:20: rotations[0].network.vpc: "main" is not valid here: write the id of a VPC`},
		{"no subnets", one + "    network: {vpc: vpc-00000001}\n", "r.yaml:3:14: rotations[0].network: there are no subnets: add the ids"},
		{"subnet", one + "    network: {vpc: vpc-00000001, subnets: [a]}\n", `rotations[0].network.subnets[0]: "a" is not valid here: write the id of a subnet`},
		{"security group", one + "    network: {vpc: vpc-00000001, subnets: [subnet-00000001], securityGroups: [default]}\n", `securityGroups[0]: "default" is not valid here: write the id of a security group`},
		{"network on one only", one + "    " + vpc + "\n  - secret: b\n", "r.yaml:4:5: rotations[1]: has no network, and rotations[0] has one: give all rotations of this file the same network"},
		{"two networks", one + "  - secret: b\n    " + vpc + "\n", "r.yaml:4:14: rotations[1].network: differs from the network of rotations[0]: give all rotations"},
		{"key alias", one + "    kmsKey: alias/app\n", `r.yaml:3:13: rotations[0].kmsKey: "alias/app" is not valid here: write the key's ARN`},
	}
	for _, tt := range tests {
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

// allFields lists the yaml names of every struct of the configuration.
func allFields() []string {
	var names []string
	var visit func(reflect.Type)
	visit = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice:
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
