package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// awsServices are AWS's command line's names of what the SDK has.
var awsServices = map[string]reflect.Type{
	"events":         reflect.TypeFor[*eventbridge.Client](),
	"lambda":         reflect.TypeFor[*lambda.Client](),
	"secretsmanager": reflect.TypeFor[*secretsmanager.Client](),
	"stepfunctions":  reflect.TypeFor[*sfn.Client](),
}

// unchecked commands stand here with the reason.
var unchecked = map[string]string{
	"aws cloudformation delete-stack --stack-name OLD":                        "the project uses no SDK of CloudFormation to look it up in",
	`gh release create $GITHUB_REF_NAME --verify-tag --generate-notes dist/*`: "GitHub's own, on its own machines",
	"npx cdk": "the page says not to type it",
	"npx cdk deploy --app go run ./examples/orders": "of an app of somebody else, with the CDK that it has",
}

// clients are commands of AWS's own client that are no operations of a service.
var clients = []string{"s3 cp", "cloudformation deploy"}

// known is what there is to type.
type known struct {
	makefile string
	cdk      string // its help
}

func newKnown(t *testing.T) known {
	t.Helper()
	makefile, err := os.ReadFile(filepath.Join(checkout, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("npx", "--no-install", "cdk", "--help")
	cmd.Dir = checkout
	help, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the pinned CDK: %v: %s", err, help)
	}
	return known{string(makefile), string(help)}
}

func (k known) check(words []string) error {
	if unchecked[strings.Join(words, " ")] != "" {
		return nil
	}
	args := words[1:]
	switch words[0] {
	case "tumbler":
		_, err := parsed(args)
		return err
	case "make":
		return k.make(args)
	case "npx":
		if len(args) < 2 || args[0] != "--no-install" || args[1] != "cdk" {
			return errors.New("npx without --no-install runs whatever is the newest")
		}
		return k.cdkCommand(args[2:])
	case "cdk":
		return k.cdkCommand(args)
	case "aws":
		return awsCommand(args)
	case "go":
		return goCommand(args)
	case "cp":
		return exists(args[0])
	case "scripts/many-secrets":
		return exists(words[0])
	case "scripts/under-load":
		return errors.Join(exists(words[0]), k.check(args[1:]))
	}
	return errors.New("a command of a kind that is not known here")
}

// parsed finds a command of tumbler and reads its flags.
func parsed(args []string) (*cobra.Command, error) {
	cmd, rest, err := newRoot().Find(args)
	if err != nil {
		return nil, err
	}
	if !cmd.HasParent() {
		return nil, fmt.Errorf("there is no command %v", args)
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return nil, err
	}
	if len(cmd.Flags().Args()) == 0 {
		return cmd, nil // a mention, which names nothing to do it with
	}
	return cmd, cmd.ValidateArgs(cmd.Flags().Args())
}

func (k known) make(args []string) error {
	for _, word := range args {
		if name, _, variable := strings.Cut(word, "="); variable {
			if !strings.Contains(k.makefile, "$("+name+")") {
				return fmt.Errorf("the Makefile has no %s", name)
			}
		} else if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(word) + `:`).MatchString(k.makefile) {
			return fmt.Errorf("the Makefile has no %s", word)
		}
	}
	return nil
}

func (k known) cdkCommand(args []string) error {
	if len(args) == 0 || !strings.Contains(k.cdk, "cdk "+args[0]+" ") {
		return fmt.Errorf("the pinned CDK has no %v", args)
	}
	return nil
}

// awsCommand looks an operation and its parameters up in the SDK, and reads JSON into them.
func awsCommand(args []string) error {
	if len(args) > 1 && slices.Contains(clients, args[0]+" "+args[1]) {
		return nil
	}
	client, ok := awsServices[args[0]]
	if !ok || len(args) < 2 {
		return errors.New("a service that no document has used so far")
	}
	squash := func(kebab string) string { return strings.ReplaceAll(kebab, "-", "") }
	for i := range client.NumMethod() {
		op := client.Method(i)
		if !strings.EqualFold(op.Name, squash(args[1])) {
			continue
		}
		input := op.Type.In(2).Elem()
		for at := 2; at < len(args); at++ {
			flag, isFlag := strings.CutPrefix(args[at], "--")
			if !isFlag {
				continue // its value
			}
			field, found := input.FieldByNameFunc(func(name string) bool { return strings.EqualFold(name, squash(flag)) })
			if !found {
				return fmt.Errorf("%s has no parameter --%s", op.Name, flag)
			}
			if at+1 < len(args) && strings.ContainsAny(args[at+1][:1], "{[") {
				if err := readParameter(op.Name, field.Type, args[at+1]); err != nil {
					return fmt.Errorf("--%s: %w", flag, err)
				}
			}
		}
		return nil
	}
	return fmt.Errorf("there is no operation %s", args[1])
}

func readParameter(operation string, t reflect.Type, text string) error {
	if operation == "StartExecution" {
		return strictly(text, &rotation.Request{})
	}
	if t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.String {
		var document map[string]any
		return strictly(text, &document)
	}
	return strictly(text, reflect.New(t).Interface())
}

func strictly(text string, into any) error {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the JSON")
	}
	return nil
}

// goCommand looks for the packages, the tests and the flags that are named.
func goCommand(args []string) error {
	if !slices.Contains([]string{"test", "run", "get", "build"}, args[0]) {
		return errors.New("not a command of go that the documents have used so far")
	}
	var sources strings.Builder
	for _, word := range args[1:] {
		dir, own := strings.CutPrefix(strings.Replace(word, "github.com/tumbler-rotation/tumbler/", "./", 1), "./")
		if !own {
			continue
		}
		files, err := filepath.Glob(filepath.Join(checkout, strings.Replace(dir, "...", "*", 1), "*.go"))
		if err != nil || len(files) == 0 {
			return fmt.Errorf("there is no package %s", word)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			sources.Write(src)
		}
	}
	for i, word := range args[1:] {
		if word == "-run" {
			if name := args[i+2]; !strings.Contains(sources.String(), "func "+name+"(") {
				return fmt.Errorf("there is no test %s", name)
			}
			continue
		}
		if flag, ok := strings.CutPrefix(word, "-"); ok && flag != "v" && !strings.Contains(sources.String(), `("`+flag+`"`) {
			return fmt.Errorf("there is no flag %s", word)
		}
	}
	return nil
}
