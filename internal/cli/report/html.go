package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"
)

//go:embed report.html
var page string

// buckets are the upper bounds of the gaps in the picture, in milliseconds.
var buckets = []struct {
	below int64
	label string
}{
	{3, "under 3 ms"},
	{10, "3–10 ms"},
	{30, "10–30 ms"},
	{100, "30–100 ms"},
	{300, "100–300 ms"},
	{1000, "0.3–1 s"},
	{3000, "1–3 s"},
	{10_000, "3–10 s"},
	{1 << 62, "10 s and more"},
}

// bar is one of the picture of gaps.
type bar struct {
	Label   string
	Count   int
	Percent float64 // of the longest bar
}

// Bars count the gaps.
func (g Gaps) Bars() []bar {
	bars := make([]bar, len(buckets))
	most := 0
	for i, b := range buckets {
		bars[i].Label = b.label
		for _, ms := range g.all {
			if ms < b.below && (i == 0 || ms >= buckets[i-1].below) {
				bars[i].Count++
			}
		}
		most = max(most, bars[i].Count)
	}
	for i := range bars {
		if most > 0 {
			bars[i].Percent = 100 * float64(bars[i].Count) / float64(most)
		}
	}
	return bars
}

// At is where a time is on the time line, in percent.
func (r Report) At(t time.Time) string {
	return fmt.Sprintf("%.2f%%", max(0, min(100, 100*float64(t.Sub(r.From))/float64(r.To.Sub(r.From)))))
}

// Width is how long a time is on the time line.
func (r Report) Width(from, to time.Time) string {
	return fmt.Sprintf("%.2f%%", max(0.3, min(100, 100*float64(to.Sub(from))/float64(r.To.Sub(r.From)))))
}

// tick is a mark on the axis.
type tick struct{ At, Label, Anchor string }

// Ticks divide the time into four.
func (r Report) Ticks() (ticks []tick) {
	layout := "2006-01-02"
	if r.To.Sub(r.From) < 4*24*time.Hour {
		layout = "01-02 15:04"
	}
	const parts = 4
	for i := range parts + 1 {
		t := r.From.Add(r.To.Sub(r.From) * time.Duration(i) / parts)
		ticks = append(ticks, tick{r.At(t), t.Format(layout), map[int]string{0: "start", parts: "end"}[i]})
	}
	return ticks
}

var parsed = template.Must(template.New("report").Funcs(template.FuncMap{
	"minute": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") },
	"ms": func(ms int64) string {
		switch {
		case ms >= time.Minute.Milliseconds():
			return (time.Duration(ms) * time.Millisecond).Round(time.Second).String()
		case ms >= time.Second.Milliseconds():
			return fmt.Sprintf("%.1f s", float64(ms)/1000)
		}
		return fmt.Sprintf("%d ms", ms)
	},
}).Parse(page))

// HTML writes a self-contained page, without scripts, fonts or other requests.
func (r Report) HTML(w io.Writer) error { return parsed.Execute(w, r) }
