package report

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/proof/browsertest"
)

// A real browser shows the page at a desk's and at a telephone's width: nothing sticks
// out, its console is silent, and what people wrote did not run.
func TestHTMLInChromium(t *testing.T) {
	for name, r := range map[string]Report{"example": example(), "nothing": Make(machine, nil, nil, to.AddDate(0, 0, -1), to)} {
		t.Run(name, func(t *testing.T) {
			site := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				_ = r.HTML(w)
			})
			for _, width := range browsertest.Widths {
				said := browsertest.Look(t, site, "/report", width, `
    for (const e of doc.querySelectorAll("svg, td, th, h2, li")) {
      const box = e.getBoundingClientRect();
      if (e.closest(".scroll") || box.width === 0) continue;
      if (box.left < -8 || box.right > page.innerWidth + 8) said.problems.push(e.tagName + " sticks out: " + e.textContent.slice(0, 60));
    }`)
				text, _ := said["text"].(string)
				for _, s := range r.Secrets {
					if !strings.Contains(text, s.Name) {
						t.Errorf("%d pixels: %s is not shown", width, s.Name)
					}
				}
				if name == "example" && !strings.Contains(text, "INC-4711 <script>alert(1)</script>") {
					t.Errorf("%d pixels: the reason is not shown as text", width)
				}
			}
		})
	}
}
