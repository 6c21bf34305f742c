package pgwire

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// quotedLists are settings whose value is a list of names, each quoted where it needs to be.
// Given as one literal they would be quoted once more. Source:
// variable_is_guc_list_quote() in PostgreSQL's dumputils.c.
var quotedLists = []string{
	"local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries", "temp_tablespaces", "unix_socket_directories",
}

// SettingName quotes a setting's name: that of an extension or an application
// has a dot in it.
func SettingName(name string) string {
	parts := strings.Split(name, ".")
	for i, part := range parts {
		parts[i] = Identifier(part)
	}
	return strings.Join(parts, ".")
}

// SettingValue renders a value, as the catalogs have it, for ALTER ROLE ... SET.
func SettingValue(name, value string) string {
	if !slices.Contains(quotedLists, name) {
		return Literal(value)
	}
	var literals []string
	for _, element := range splitNames(value) {
		literals = append(literals, Literal(element))
	}
	return strings.Join(literals, ", ")
}

// CanonicalSetting is the same for values that mean the same.
func CanonicalSetting(name, value string) string {
	if slices.Contains(quotedLists, name) {
		return SettingValue(name, value)
	}
	return value
}

// ListedSetting renders a setting's value. Those of applications and extensions, whose
// names have a dot, may well be keys: only a digest is listed.
func ListedSetting(name, value string) string {
	if !strings.Contains(name, ".") {
		return CanonicalSetting(name, value)
	}
	sum := sha256.Sum256([]byte(value))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// splitNames splits a list of names as PostgreSQL writes them: with commas in
// between, in double quotes if need be. An empty list is one empty name, which
// is how such a setting is made empty.
func splitNames(list string) []string {
	var names []string
	var name strings.Builder
	quoted, wasQuoted := false, false
	end := func() {
		text := name.String()
		if !wasQuoted {
			text = strings.TrimSpace(text)
		}
		names = append(names, text)
		name.Reset()
		wasQuoted = false
	}
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case quoted && c == '"' && i+1 < len(list) && list[i+1] == '"':
			name.WriteByte('"')
			i++
		case c == '"' && !quoted:
			name.Reset() // blanks before it
			quoted, wasQuoted = true, true
		case c == '"':
			quoted = false
		case !quoted && c == ',':
			end()
		case !quoted && wasQuoted: // blanks after it
		default:
			name.WriteByte(c)
		}
	}
	end()
	return names
}
