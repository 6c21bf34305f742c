package wire

import (
	"fmt"
	"strconv"
	"time"
)

// Time is a timestamp on the wire of the JSON protocols: a number of seconds
// since 1970 with milliseconds as its fraction.
type Time struct{ time.Time }

// NewTime is nil for the zero time, so that the member is left out.
func NewTime(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	return &Time{t}
}

// MarshalJSON writes the number.
func (t Time) MarshalJSON() ([]byte, error) {
	ms := t.UnixMilli()
	return strconv.AppendFloat(nil, float64(ms)/1000, 'f', -1, 64), nil
}

// UnmarshalJSON reads the number.
func (t *Time) UnmarshalJSON(b []byte) error {
	s, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return fmt.Errorf("timestamp is not a number")
	}
	t.Time = time.UnixMilli(int64(s * 1000)).UTC()
	return nil
}
