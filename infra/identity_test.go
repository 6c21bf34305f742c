package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const twoNetworks = "networks:\n  one: {vpc: vpc-00000001, subnets: [subnet-00000001], databaseSecurityGroups: [sg-00000001, sg-00000002]}\n" +
	"  two: {vpc: vpc-00000002, subnets: [subnet-00000002], databaseSecurityGroups: [sg-00000003]}\ndefaults: {network: one}\n"

const (
	secretA = "  - {secret: a, schedule: rate(30 days), nativeBackstop: 90d}\n"
	secretB = "  - {secret: b, schedule: rate(30 days), network: two, nativeBackstop: 90d}\n"
	secretC = "  - {secret: c, network: none}\n"
	others  = "  - {secret: e}\n  - {secret: f}\n"
)

// changes are those that docs/deploy.md, "Changing things", speaks of, named as
// in its table, which says what they take away or make anew.
func changes() []change {
	all := twoNetworks + "rotations:\n" + secretA + secretB + secretC
	now := strings.Replace(secretA, "}", ", rotateImmediately: true}", 1)
	edit := func(file, old, new string) string {
		if !strings.Contains(file, old) {
			panic(old + " is not in " + file)
		}
		return strings.ReplaceAll(file, old, new)
	}
	return []change{
		{"another order of rotations", all, twoNetworks + "rotations:\n" + secretC + secretB + secretA},
		{"a rotation more, at the end", twoNetworks + "rotations:\n" + secretA + secretB, all},
		{"a rotation more, at the beginning", twoNetworks + "rotations:\n" + secretA, twoNetworks + "rotations:\n" + secretB + secretA},
		{"a rotation less", "rotations:\n" + secretA + secretC + "  - {secret: d}\n", "rotations:\n" + secretA + "  - {secret: d}\n"},
		{"a rotation less, and one is left", "rotations:\n" + secretA + "  - {secret: d}\n", "rotations:\n" + secretA},
		{"another schedule, strategy, superuser or window", "rotations:\n" + secretA, "rotations:\n" +
			"  - {secret: a, schedule: 'cron(0 3 * * ? *)', duration: 3h, nativeBackstop: 30d, strategy: alternating-users, superuserSecret: s}\n"},
		{"more than 150 rotations", "rotations:\n" + manyRotations(150), "rotations:\n" + manyRotations(151)},
		{"150 rotations or less again", "rotations:\n" + manyRotations(151), "rotations:\n" + manyRotations(150)},
		{"`nativeBackstop` taken out, of the only one", "rotations:\n" + secretA, edit("rotations:\n"+secretA, ", nativeBackstop: 90d", "")},
		{"`nativeBackstop` for a second secret", "rotations:\n" + secretA + "  - {secret: d}\n", "rotations:\n" + secretA + "  - {secret: d, nativeBackstop: 90d}\n"},
		{"a secret by ARN instead of by name", "rotations:\n" + now, edit("rotations:\n"+now, "secret: a,", "secret: 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:a-AbCdEf',")},
		{"a secret of another name", "rotations:\n" + now, edit("rotations:\n"+now, "secret: a,", "secret: z,")},
		{"another network for a rotation, the last with a backstop", all + others, edit(all, "{secret: a, ", "{secret: a, network: two, ") + others},
		{"the last rotation of a network moves away", all + others, edit(all, "network: two", "network: one") + others},
		{"another order of `databaseSecurityGroups`", all, edit(all, "[sg-00000001, sg-00000002]", "[sg-00000002, sg-00000001]")},
		{"a database's security group less", all, edit(all, "[sg-00000001, sg-00000002]", "[sg-00000002]")},
		{"another name for a network", all, edit(edit(all, "  two:", "  zwei:"), "network: two", "network: zwei")},
		{"another name for the default network", all, edit(edit(all, "  one:", "  eins:"), "network: one", "network: eins")},
		{
			"another network as the default", twoNetworks + "rotations:\n" + secretA + secretB,
			edit(twoNetworks, "defaults: {network: one}", "defaults: {network: two}") + "rotations:\n" + edit(secretA, "secret: a, ", "secret: a, network: one, ") + secretB,
		},
	}
}

type change struct{ name, before, after string }

func manyRotations(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  - {secret: s%03d}\n", i)
	}
	return b.String()
}

// TestIdentity compares the templates before and after each change. The table of
// docs/deploy.md says what goes or is made anew, all of it and nothing else.
func TestIdentity(t *testing.T) {
	said := changesTable(t)
	for name := range said {
		if !slices.ContainsFunc(changes(), func(c change) bool { return c.name == name }) {
			t.Errorf("docs/deploy.md speaks of %q, and nothing compares it", name)
		}
	}
	for _, c := range changes() {
		t.Run(c.name, func(t *testing.T) {
			u := updateOf(t, synthYAML(t, c.before), synthYAML(t, c.after))
			if diff := cmp.Diff(said[c.name], u.String()); diff != "" {
				t.Errorf("what goes or is made anew (-docs/deploy.md +template): %s", diff)
			}
			// CloudFormation makes what is new before it removes what goes.
			for _, id := range u.collisions(append(u.removed, u.replaced...), append(u.added, u.replaced...)) {
				t.Errorf("%s is there already when it is made", id)
			}
		})
	}
}

// TestRename: under another name a deployment is another stack, made beside the one that
// goes; nothing that it makes may be there already.
func TestRename(t *testing.T) {
	const file = "heartbeat: true\nalerts: {emails: [a@b.c]}\n" + twoNetworks + "rotations:\n" + secretA + secretB + secretC
	u := updateOf(t, synthYAML(t, file), synthYAML(t, "name: renamed\n"+file))
	var twice []string
	for _, id := range u.collisions(slices.Collect(maps.Keys(u.before.Resources)), slices.Collect(maps.Keys(u.after.Resources))) {
		twice = append(twice, strings.Fields(id)[0])
	}
	slices.Sort(twice)
	// What the bullet about nativeBackstop is about: a secret has one native rotation.
	if diff := cmp.Diff([]string{"RotationSchedule"}, slices.Compact(twice)); diff != "" {
		t.Errorf("there already (-known +template): %s", diff)
	}
}

// changesTable is what docs/deploy.md says, by the change.
func changesTable(t *testing.T) map[string]string {
	t.Helper()
	_, section, _ := strings.Cut(string(read(t, filepath.Join("..", "docs", "deploy.md"))), "\n## Changing things\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, rows, _ := strings.Cut(section, "\n| --- | --- |\n")
	said := map[string]string{}
	for line := range strings.Lines(rows) {
		cells := strings.Split(strings.Trim(line, "|\n"), " | ")
		if len(cells) != 2 {
			break
		}
		said[strings.TrimSpace(cells[0])] = strings.TrimSpace(cells[1])
	}
	return said
}

// stackUpdate is what CloudFormation does to a stack's resources, by their logical ids.
type stackUpdate struct {
	before, after                         template
	types                                 map[string]resourceType
	removed, kept, replaced, moved, added []string
}

// resourceType says which properties make another resource when they change, and which
// tell one resource from another.
type resourceType struct{ Fixed, Identity []string }

func updateOf(t *testing.T, before, after template) stackUpdate {
	t.Helper()
	u := stackUpdate{before: before, after: after, types: resourceTypes(t, before, after)}
	anew := map[string]bool{}
	for again := true; again; { // what refers to a resource that is made anew may be, too
		again = false
		for _, id := range slices.Sorted(maps.Keys(before.Resources)) {
			was, is := before.Resources[id], after.Resources[id]
			if is.Type != was.Type || anew[id] {
				continue
			}
			for _, property := range u.types[was.Type].Fixed {
				if !cmp.Equal(was.Properties[property], is.Properties[property]) || refersTo(is.Properties[property], anew) {
					anew[id], again = true, true
				}
			}
		}
	}
	u.replaced = slices.Sorted(maps.Keys(anew))
	for _, id := range slices.Sorted(maps.Keys(before.Resources)) {
		was, is := before.Resources[id], after.Resources[id]
		switch {
		case is.Type != was.Type && was.UpdateReplacePolicy == "Retain":
			u.kept = append(u.kept, id)
		case is.Type != was.Type:
			u.removed = append(u.removed, id)
		case !anew[id] && !cmp.Equal(was.Properties["VpcConfig"], is.Properties["VpcConfig"]):
			u.moved = append(u.moved, id)
		}
	}
	for id, is := range after.Resources {
		if is.Type != before.Resources[id].Type {
			u.added = append(u.added, id)
		}
	}
	return u
}

// resourceTypes are CloudFormation's own words on those of the templates. Of custom
// resources the function decides, and no property is fixed but whose function it is.
func resourceTypes(t *testing.T, templates ...template) map[string]resourceType {
	t.Helper()
	all, args := map[string]resourceType{}, []string{filepath.Join("testdata", "fixed-properties.cjs")}
	readForTestCache(t, args[0], filepath.Join("..", "package-lock.json"))
	for _, tpl := range templates {
		for _, r := range tpl.Resources {
			if strings.HasPrefix(r.Type, "Custom::") {
				all[r.Type] = resourceType{Fixed: []string{"ServiceToken"}}
			} else if !slices.Contains(args, r.Type) {
				args = append(args, r.Type)
			}
		}
	}
	out, err := exec.Command("node", args...).Output()
	if err != nil {
		t.Fatalf("node %v: %v", args, err)
	}
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatal(err)
	}
	// What the specification does not know: a secret has one native rotation, and a
	// schedule's name is one in its group.
	for typ, identity := range map[string][]string{
		"AWS::SecretsManager::RotationSchedule": {"SecretId"}, "AWS::Scheduler::Schedule": {"GroupName", "Name"},
	} {
		if r, ok := all[typ]; ok {
			all[typ] = resourceType{Fixed: append(r.Fixed, identity...), Identity: identity}
		}
	}
	return all
}

func refersTo(value any, ids map[string]bool) bool {
	switch v := value.(type) {
	case []any:
		return slices.ContainsFunc(v, func(v any) bool { return refersTo(v, ids) })
	case map[string]any:
		if ref, ok := v["Ref"].(string); ok && ids[ref] {
			return true
		}
		if at, ok := v["Fn::GetAtt"].([]any); ok && ids[at[0].(string)] {
			return true
		}
		for _, value := range v {
			if refersTo(value, ids) {
				return true
			}
		}
	}
	return false
}

// collisions are the resources that are made while one of the same identity is there.
func (u stackUpdate) collisions(there, made []string) (list []string) {
	identity := func(tpl template, id string) string {
		r := tpl.Resources[id]
		said := []any{r.Type}
		for _, property := range u.types[r.Type].Identity {
			if r.Properties[property] == nil {
				return "" // CloudFormation gives it a name of its own
			}
			said = append(said, resolved{tpl}.plain(r.Properties[property]))
		}
		if len(said) == 1 {
			return ""
		}
		return fmt.Sprint(said...)
	}
	taken := map[string]bool{}
	for _, id := range there {
		taken[identity(u.before, id)] = true
	}
	taken[""] = false
	for _, id := range made {
		if taken[identity(u.after, id)] {
			list = append(list, u.after.short(id))
		}
	}
	slices.Sort(list)
	return list
}

// String is what the documentation says of an update.
func (u stackUpdate) String() string {
	var all []string
	for _, part := range []struct {
		what string
		ids  []string
	}{{"goes", u.removed}, {"made anew", u.replaced}, {"moves", u.moved}, {"kept", u.kept}} {
		if len(part.ids) == 0 {
			continue
		}
		names, kinds := map[string]bool{}, map[string]int{}
		for _, id := range part.ids {
			name := u.before.short(id)
			names[name] = true
			kinds[strings.Fields(name)[0]]++
		}
		said := slices.Sorted(maps.Keys(names))
		if len(u.removed) > 20 { // a whole network
			said = nil
			for _, kind := range slices.Sorted(maps.Keys(kinds)) {
				said = append(said, strings.TrimSuffix(fmt.Sprintf("%s ×%d", kind, kinds[kind]), " ×1"))
			}
		}
		all = append(all, part.what+": "+strings.Join(said, ", "))
	}
	if all == nil {
		return "nothing"
	}
	return strings.Join(all, "; ")
}

// ofOne ends the ids of what there is for each secret, group or version.
var ofOne = regexp.MustCompile(`^(Schedule|RotateImmediately|Backstop|FromFunctions|ToDatabase)[a-z0-9]*[0-9a-f]{8}$|(Version)[0-9a-f]*$`)

func (tpl template) short(id string) string {
	kind := tpl.Resources[id].Type
	kind = kind[strings.LastIndex(kind, ":")+1:]
	return strings.TrimSuffix(kind+" "+ofOne.ReplaceAllString(tpl.readable(id), "$1$2"), " "+kind)
}
