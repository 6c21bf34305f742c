package pgwire

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// quotedLists are settings whose value is a list of names, each quoted if necessary. A
// single literal would quote them again. Source: variable_is_guc_list_quote() in
// PostgreSQL's dumputils.c.
var quotedLists = []string{
	"local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries", "temp_tablespaces", "unix_socket_directories",
}

// SettingName quotes a setting's name. The names of extensions' and applications'
// settings contain a dot.
func SettingName(name string) string {
	parts := strings.Split(name, ".")
	for i, part := range parts {
		parts[i] = Identifier(part)
	}
	return strings.Join(parts, ".")
}

// SettingValue converts a value from the catalogs to the form for ALTER ROLE ... SET.
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

// CanonicalSetting returns the same text for equivalent values.
func CanonicalSetting(name, value string) string {
	if slices.Contains(quotedLists, name) {
		return SettingValue(name, value)
	}
	return value
}

// ListedSetting formats a setting for a list. The values of applications' and extensions'
// settings, whose names contain a dot, may be secret keys: only a digest of these is
// listed.
func ListedSetting(name, value string) string {
	if !strings.Contains(name, ".") {
		return CanonicalSetting(name, value)
	}
	sum := sha256.Sum256([]byte(value))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// splitNames splits a list of names as PostgreSQL writes it: separated by commas, in
// double quotes if necessary. An empty list is one empty name, the form that sets an
// empty list.
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
			name.Reset() // blanks before the name
			quoted, wasQuoted = true, true
		case c == '"':
			quoted = false
		case !quoted && c == ',':
			end()
		case !quoted && wasQuoted: // blanks after the name
		default:
			name.WriteByte(c)
		}
	}
	end()
	return names
}
