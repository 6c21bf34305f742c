package window

import (
	"fmt"
	"strconv"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/pattern"
)

// durationPattern is the useful part of the API reference's pattern, [0-9h]+ with 2 or 3
// characters.
var durationPattern = pattern.New(`^([0-9]{1,2})h$`)

// parseDuration returns the length of the schedule's windows.
func (s Schedule) parseDuration(text string) (time.Duration, error) {
	longest, rule := s.longestDuration()
	if text == "" {
		if s.inHours {
			longest = 1
		}
		return time.Duration(longest) * time.Hour, nil
	}
	m := durationPattern().FindStringSubmatch(text)
	if m == nil {
		return 0, refuse("duration", text, "a duration is one or two digits and h", "write whole hours, such as 3h")
	}
	hours, _ := strconv.Atoi(m[1]) // two digits always are a number
	switch {
	case hours < 1:
		return 0, refuse("duration", text, "a window is open for at least one hour", "use 1h or more")
	case hours > longest && longest == 1:
		return 0, refuse("duration", text, rule, "use 1h")
	case hours > longest:
		return 0, refuse("duration", text, rule, fmt.Sprintf("use %dh or less", longest))
	}
	return time.Duration(hours) * time.Hour, nil
}

// longestDuration returns the hours from an opening to whatever comes first, the
// next opening or the end of the UTC day, in the worst case, and says which.
func (s Schedule) longestDuration() (hours int, rule string) {
	latest := 0 // the last hour at which a window opens
	between := s.rate
	switch {
	case s.cron != nil:
		latest = s.cron.hours.last()
		between, _ = s.cron.shortestGap(false) // overnight the day ends first
	case s.rate%24 != 0:
		// Over the days, windows open at all multiples of the greatest common divisor.
		latest = 24 - gcd(s.rate, 24)
	}
	if toMidnight := 24 - latest; toMidnight < between {
		return toMidnight, fmt.Sprintf("a window stays within one UTC day, and one opens at %s", clock(latest))
	}
	if between >= 24 {
		return 24, "a window stays within one UTC day"
	}
	return between, fmt.Sprintf("a window does not reach into the next one, which opens %d hours later", between)
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
