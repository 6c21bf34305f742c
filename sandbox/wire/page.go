package wire

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// tokenPrefix marks our page tokens, which are positions in a list.
const tokenPrefix = "page:"

// Page cuts the page that a token asks for out of a list; "" is the first. next
// is "" on the last page. It is not ok if the token is not one of ours.
func Page[T any](list []T, token string, size int) (page []T, next string, ok bool) {
	start := 0
	if token != "" {
		raw, err := base64.URLEncoding.DecodeString(token)
		digits, ours := strings.CutPrefix(string(raw), tokenPrefix)
		n, convErr := strconv.Atoi(digits)
		if err != nil || !ours || convErr != nil || n < 0 {
			return nil, "", false
		}
		start = min(n, len(list))
	}
	end := min(start+size, len(list))
	if end < len(list) {
		next = base64.URLEncoding.EncodeToString([]byte(tokenPrefix + strconv.Itoa(end)))
	}
	return list[start:end:end], next, true
}
