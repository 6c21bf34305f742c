package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/config"
)

// answers are the values from which `tumbler init` writes a configuration.
type answers struct {
	secrets                          []string
	strategy, superuser              string
	schedule, duration               string
	vpc                              string
	subnets, databaseGroups          []string
	endpoints, email, name, backstop string
}

func newInit() *cobra.Command {
	var (
		a        answers
		force    bool
		toStdout bool
		asJSON   bool
	)
	cmd := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a rotations.yaml, by asking or from flags",
		Long: `Writes a configuration to FILE, rotations.yaml by default. With --secret it is
written from the flags; without, you are asked. What is written passes
'tumbler validate', and a file that exists is not overwritten without --force.`,
		Example: `  tumbler init
  tumbler init --secret prod/app --schedule "cron(0 2 ? * SUN *)" --duration 3h --email oncall@example.com
  tumbler init --secret prod/app --vpc vpc-0a1b2c3d --subnet subnet-0a1b2c3d --database-group sg-0a1b2c3d --stdout`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return oneArg("file")(cmd, args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			file := config.DefaultFile
			if len(args) == 1 {
				file = args[0]
			}
			if err := a.consistent(toStdout, force); err != nil {
				return usageError{err}
			}
			if toStdout && asJSON {
				return usageError{errors.New("--stdout and --json exclude each other: what is printed is YAML")}
			}
			if len(a.secrets) == 0 {
				if err := a.ask(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr()); err != nil {
					return err
				}
			}
			src := a.yaml()
			if _, err := config.Parse(file, []byte(src)); err != nil {
				return usageError{fmt.Errorf("this would not be valid:\n%w\n\n%s", err, src)}
			}
			if toStdout {
				_, err := io.WriteString(cmd.OutOrStdout(), src)
				return err
			}
			if err := writeNew(file, src, force); err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), written{file, a.secrets})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Wrote %s. Look at it, then: tumbler validate %s, make deploy\n", file, file)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&a.secrets, "secret", nil, "name or ARN of a secret; may be repeated")
	f.StringVar(&a.strategy, "strategy", "", "single-user (default) or alternating-users")
	f.StringVar(&a.superuser, "superuser-secret", "", "name or ARN of the superuser's secret")
	f.StringVar(&a.schedule, "schedule", "", "rate() or cron() expression in UTC (default on demand only)")
	f.StringVar(&a.duration, "duration", "", "length of the rotation window in hours, such as 3h")
	f.StringVar(&a.vpc, "vpc", "", "id of the database's VPC (default none)")
	f.StringSliceVar(&a.subnets, "subnet", nil, "ids of subnets from which the database can be reached")
	f.StringSliceVar(&a.databaseGroups, "database-group", nil, "ids of the databases' security groups, which get a rule")
	f.StringVar(&a.endpoints, "endpoints", "", "none (default) or create")
	f.StringVar(&a.email, "email", "", "who is told of failures")
	f.StringVar(&a.name, "name", "", "name of the deployment (default tumbler)")
	f.StringVar(&a.backstop, "native-backstop", "", "how often Secrets Manager rotates by itself, such as 90d (default never)")
	f.BoolVar(&force, "force", false, "overwrite the file")
	f.BoolVar(&asJSON, "json", false, "write JSON about what was written")
	f.BoolVar(&toStdout, "stdout", false, "print the configuration and write no file")
	return cmd
}

// written is what init writes as JSON.
type written struct {
	File    string   `json:"file"`
	Secrets []string `json:"secrets"`
}

// writeNew writes a file, but does not overwrite an existing one without force.
func writeNew(file, src string, force bool) error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	out, err := os.OpenFile(file, flags, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists. Name another file, or overwrite it with --force", file)
	}
	if err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	if _, err = io.WriteString(out, src); err == nil {
		err = out.Close()
	}
	return err
}

// ask asks for the values that most configurations need. An empty line means the default.
func (a *answers) ask(ctx context.Context, in io.Reader, out io.Writer) (err error) {
	p := newPrompt(ctx, in, out)
	question := func(text, fallback string) string {
		if err != nil {
			return fallback
		}
		if fallback != "" {
			text += " [" + fallback + "]"
		}
		var answer string
		answer, err = p.ask(text + ": ")
		return cmp.Or(answer, fallback)
	}
	list := func(text string) []string {
		return strings.FieldsFunc(question(text, ""), func(r rune) bool { return r == ',' || r == ' ' })
	}
	if a.secrets = list("Secrets to rotate, by name or ARN, separated by spaces"); len(a.secrets) == 0 && err == nil {
		return usageError{errors.New("no secret is named. Answer the first question, or use --secret")}
	}
	a.strategy = question("single-user or alternating-users", string(config.SingleUser))
	if a.strategy == string(config.AlternatingUsers) {
		a.superuser = question("Secret of a superuser, who creates the second user", "")
	}
	a.schedule = question("When, in UTC: rate(30 days), cron(0 2 ? * SUN *) or none", config.None)
	if a.schedule != config.None {
		a.duration = question("How long the rotation window stays open, such as 3h", "until the end of the day")
	}
	if a.vpc = question("VPC of the database, or none", config.None); a.vpc != config.None {
		a.subnets = list("Subnets from which it can be reached")
		a.databaseGroups = list("Security groups of the database, which will let Tumbler in")
		a.endpoints = question("Is there a way to Secrets Manager (none: yes; create: make endpoints)", string(config.NoEndpoints))
	}
	a.email = question("Who is told of failures, by e-mail, or none", config.None)
	return err
}

// consistent refuses flags that would be ignored.
func (a *answers) consistent(toStdout, force bool) error {
	if slices.Contains(a.secrets, "") {
		return errors.New("--secret is empty: give it the name or ARN of a secret")
	}
	for _, f := range []struct {
		flag  string
		given bool
		needs string
		there bool
	}{
		{"--duration", a.duration != "", "--schedule", a.schedule != ""},
		{"--subnet", len(a.subnets) > 0, "--vpc", a.vpc != ""},
		{"--database-group", len(a.databaseGroups) > 0, "--vpc", a.vpc != ""},
		{"--endpoints", a.endpoints != "", "--vpc", a.vpc != ""},
	} {
		if f.given && !f.there {
			return fmt.Errorf("%s means nothing without %s", f.flag, f.needs)
		}
	}
	if toStdout && force {
		return errors.New("--stdout and --force exclude each other: no file is written")
	}
	return nil
}

// yaml is the configuration, with a reference to the documentation.
func (a answers) yaml() string {
	var b strings.Builder
	b.WriteString("# yaml-language-server: $schema=docs/rotations.schema.json\n" +
		"# What Tumbler rotates, and when. rotations.example.yaml explains every field.\n")
	given := func(s string) bool { return s != "" && s != config.None && !strings.Contains(s, "end of the day") }
	line := func(indent, field, value string) {
		if given(value) {
			fmt.Fprintf(&b, "%s%s: %s\n", indent, field, scalar(value))
		}
	}
	block := func(indent, field string, values []string) {
		if len(values) == 0 {
			return
		}
		fmt.Fprintf(&b, "%s%s:\n", indent, field)
		for _, v := range values {
			fmt.Fprintf(&b, "%s  - %s\n", indent, scalar(v))
		}
	}
	line("", "name", a.name)
	if given(a.email) {
		fmt.Fprintf(&b, "alerts:\n  emails:\n    - %s\n", scalar(a.email))
	}
	if given(a.vpc) {
		b.WriteString("networks:\n  database:\n")
		line("    ", "vpc", a.vpc)
		block("    ", "subnets", a.subnets)
		block("    ", "databaseSecurityGroups", a.databaseGroups)
		line("    ", "endpoints", a.endpoints)
		b.WriteString("defaults:\n  network: database\n")
	}
	b.WriteString("rotations:\n")
	for _, secret := range a.secrets {
		fmt.Fprintf(&b, "  - secret: %s\n", scalar(secret))
		line("    ", "strategy", a.strategy)
		line("    ", "superuserSecret", a.superuser)
		line("    ", "schedule", a.schedule)
		line("    ", "duration", a.duration)
		line("    ", "nativeBackstop", a.backstop)
	}
	return b.String()
}

// scalar quotes a text that YAML would not read as this string.
func scalar(value string) string {
	if value == "" {
		return `""`
	}
	plain := strings.IndexFunc(value, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/_+=.@-()*?# ,:", r))
	}) < 0 && !strings.Contains(value, ": ") && !strings.Contains(value, " #") &&
		value == strings.TrimSpace(value) && strings.IndexFunc(value[:1], func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}) == 0
	switch strings.ToLower(value) {
	case "true", "false", "null", "yes", "no", "on", "off":
		plain = false
	}
	if plain {
		return value
	}
	return strconv.Quote(value)
}
