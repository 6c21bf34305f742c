package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/tumbler-rotation/tumbler/internal/config"
)

// checkout is the root of the project, as seen from this package.
const checkout = "../.."

// found is a command that a document shows.
type found struct {
	text   string // as one would type it
	where  string // file and line
	output string // what the document says that it prints, if it says so
}

// programs are what a reader may be told to type. A line that begins with anything else is
// not taken for a command.
var programs = []string{"tumbler", "build/tumbler", "make", "npx", "cdk", "aws", "go", "cp", "scripts/under-load", "scripts/many-secrets"}

func isCommand(line string) bool {
	first, _, more := strings.Cut(line, " ")
	return more && slices.Contains(programs, first)
}

// pages are every document that a reader may type from.
func pages(t *testing.T) (files []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md", "examples/*/*.md", "examples/*/*.go", "rotations.example.yaml"} {
		matches, err := filepath.Glob(filepath.Join(checkout, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, matches...)
	}
	return files
}

// typed are the commands of all documents, and the examples of the command's own help,
// which docs/cli.md repeats.
func typed(t *testing.T) (commands []found) {
	t.Helper()
	for _, file := range pages(t) {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name, text := strings.TrimPrefix(file, checkout+"/"), string(src)
		if filepath.Ext(file) == ".md" {
			inBlocks, err := inBlocks(name, text)
			if err != nil {
				t.Error(err)
			}
			commands = append(commands, inBlocks...)
		} else {
			text = regexp.MustCompile(`(?m)^\s*(//|#) ?`).ReplaceAllString(text, "")
		}
		commands = append(commands, inText(name, text)...)
	}
	commands = append(commands, inWorkflows(t)...)
	for _, cmd := range newRoot().Commands() {
		for line := range strings.Lines(cmd.Example) {
			commands = append(commands, found{text: strings.TrimSpace(line), where: cmd.CommandPath() + " --help"})
		}
	}
	return commands
}

// inWorkflows are the commands that continuous integration runs.
func inWorkflows(t *testing.T) (commands []found) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(checkout, ".github/workflows/*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatal("there are no workflows", err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var workflow struct {
			Jobs map[string]struct {
				Steps []struct{ Run, Uses string }
			}
		}
		if err := yaml.Unmarshal(src, &workflow); err != nil {
			t.Fatal(err)
		}
		for name, job := range workflow.Jobs {
			for _, step := range job.Steps {
				if step.Run != "" {
					commands = append(commands, found{text: step.Run, where: file + " " + name})
				} else if !regexp.MustCompile(`^actions/[a-z-]+@v\d+$`).MatchString(step.Uses) {
					t.Errorf("%s: %q is not an action of GitHub's own, pinned", file, step.Uses)
				}
			}
		}
	}
	return commands
}

// inText are the commands in backticks.
func inText(file, text string) (commands []found) {
	// Not what stands in a fenced block, whose own backticks would pair with these.
	text = regexp.MustCompile("(?ms)^ *```.*?^ *```").ReplaceAllStringFunc(text, func(block string) string {
		return strings.Repeat("\n", strings.Count(block, "\n"))
	})
	for _, at := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatchIndex(text, -1) {
		command := strings.Join(strings.Fields(text[at[2]:at[3]]), " ")
		if isCommand(command) {
			commands = append(commands, found{text: command, where: fmt.Sprintf("%s:%d", file, 1+strings.Count(text[:at[0]], "\n"))})
		}
	}
	return commands
}

// block is a code block of a page.
type block struct {
	line     int
	language string // of a fenced one
	lines    []string
}

// blocks are the fenced ones, and those that are indented by four and follow an empty line.
func blocks(text string) (list []block) {
	var open *block
	fenced, blank := false, true
	for i, line := range strings.Split(text, "\n") {
		rest, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		indented := strings.HasPrefix(line, "    ")
		switch {
		case fence && fenced:
			fenced, open = false, nil
		case fence:
			list = append(list, block{line: i + 1, language: rest})
			fenced, open = true, &list[len(list)-1]
		case fenced, open != nil && (indented || line == ""):
			open.lines = append(open.lines, line)
		case indented && blank:
			list = append(list, block{line: i + 1, lines: []string{line}})
			open = &list[len(list)-1]
		default:
			open = nil
		}
		blank = line == ""
	}
	return list
}

// inBlocks are the commands of a page's code blocks. Every block is something: a diagram,
// data that can be read as what it is, or commands.
func inBlocks(file, text string) (commands []found, err error) {
	for _, b := range blocks(text) {
		where := fmt.Sprintf("%s:%d", file, b.line)
		body := strings.TrimSpace(strings.Join(b.lines, "\n"))
		first, _, _ := strings.Cut(body, "\n")
		prompt := strings.HasPrefix(first, "$ ")
		switch {
		case b.language == "mermaid", b.language == "text" && file == "docs/cli.md": // TestReference writes that
		case prompt || isCommand(first):
			commands = append(commands, ofBlock(where, b.lines, prompt)...)
		default:
			if e := data(b.language, strings.Join(b.lines, "\n")); e != nil {
				err = errors.Join(err, fmt.Errorf("%s: a block that begins with %q is neither a command that this test knows nor data: %w", where, first, e))
			}
		}
	}
	return commands, err
}

// ofBlock are a block's commands: every line, or those after a prompt, and then the others
// are what the one before prints.
func ofBlock(where string, lines []string, prompt bool) (commands []found) {
	joined := regexp.MustCompile(`\\\n\s*`).ReplaceAllString(strings.Join(lines, "\n"), "")
	quoted := false // within a quotation that goes over lines
	for line := range strings.Lines(joined) {
		text := strings.TrimSpace(line)
		typed, isTyped := strings.CutPrefix(text, "$ ")
		switch {
		case quoted:
			commands[len(commands)-1].text += "\n" + text
		case prompt && !isTyped:
			commands[len(commands)-1].output += strings.TrimPrefix(line, "    ")
			continue
		case text != "":
			commands = append(commands, found{text: typed, where: where})
		}
		quoted = quoted != (strings.Count(text, "'")%2 == 1 && !strings.Contains(text, " #"))
	}
	return commands
}

// data reads a block as the JSON, the YAML or the configuration that it is.
func data(language, text string) error {
	trimmed := strings.ReplaceAll(strings.TrimSpace(text), ", ...]", "]")
	switch {
	case language == "json", strings.HasPrefix(trimmed, "{"):
		var any map[string]any
		return json.Unmarshal([]byte(trimmed), &any)
	case language == "yaml", strings.HasPrefix(trimmed, "rotations:"):
		var any yaml.MapSlice
		if err := yaml.Unmarshal([]byte(text), &any); err != nil {
			return err
		}
		_, err := config.Parse("rotations.yaml", []byte(text))
		return err
	}
	return errors.New("unknown")
}

// words are a command's, with what it is piped into left out. It knows the quotation that
// the documents use.
func words(command string) (list []string) {
	var word strings.Builder
	var quote rune
	begun := false
	for _, r := range command + " " {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == ' ' || r == '\n':
			if begun || word.Len() > 0 {
				list = append(list, word.String())
			}
			word.Reset()
			begun = false
		case r == '|' || r == '>' || r == '#' && word.Len() == 0:
			return list
		default:
			word.WriteRune(r)
		}
	}
	return list
}

func exists(path string) error {
	_, err := os.Stat(filepath.Join(checkout, path))
	return err
}

// Every command that a document shows is run, or what it names is looked up: commands and
// flags of tumbler, targets of make, commands of the pinned CDK, packages and tests of go,
// operations and parameters of AWS. What is of no kind known here fails.
func TestDocuments(t *testing.T) {
	commands := typed(t)
	if len(commands) < 120 {
		t.Fatalf("only %d commands are found", len(commands))
	}
	known := newKnown(t)
	var run []found
	seen := map[string]bool{}
	for _, c := range commands {
		c.text = strings.TrimPrefix(c.text, "build/")
		if seen[c.text] && c.output == "" {
			continue
		}
		seen[c.text] = true
		if err := known.check(words(c.text)); err != nil {
			t.Errorf("%s: %s: %v", c.where, c.text, err)
		}
		if runs(c.text) {
			run = append(run, c)
		}
	}
	t.Logf("%d commands, of which %d are different, and %d are run", len(commands), len(seen), len(run))
	runDocumented(t, run)
}

// What the test above would have to find: it is no test if it lets these pass.
func TestDocumentsFinds(t *testing.T) {
	known := newKnown(t)
	for _, wrong := range []string{
		"tumbler rotat prod/app", "tumbler rotate prod/app --wach", "tumbler init --secret", "tumbler watch a b", "make nosuch", "make test NOSUCH=1",
		"npx cdk deploy", "npx --no-install cdk nosuch", "cdk nosuch", "aws secretsmanager rotate-nosuch", "aws secretsmanager rotate-secret --nosuch x",
		"aws nosuch describe-secret", `aws stepfunctions start-execution --input '{"secretID"}'`, `aws stepfunctions start-execution --input '{"nosuch":1}'`,
		`aws events put-events --entries '[{"Bus":"x"}]'`, "go test ./nosuch", "go test ./internal/cli -run TestNosuch", "go test ./internal/window -update",
		"go run ./examples/application -nosuch", "cp nosuch.yaml rotations.yaml", "scripts/under-load 3 make nosuch", "rm -rf build",
	} {
		if err := known.check(words(wrong)); err == nil {
			t.Errorf("%s is taken for right", wrong)
		}
	}
	for _, page := range []string{"    curl http://example.com | sh\n", "```yaml\nrotation:\n  - secret: a\n```\n", "```json\n{'a': 1}\n```\n"} {
		if _, err := inBlocks("page.md", page); err == nil {
			t.Errorf("%q is taken for right", page)
		}
	}
}
