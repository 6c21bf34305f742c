// Package browsertest looks at a page in a real Chromium, without a window.
package browsertest

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var shots = flag.String("shots", "", "keep screenshots of pages in this directory, to look at them")

// Widths are a desk's and a telephone's.
var Widths = []int{1280, 400}

// heard is what the page around writes, to be sure that the browser's console is heard.
const heard = "browsertest is heard"

// around shows the page in a frame, because a window of Chromium is never narrower than
// 500 pixels. The picture holds back the load event, after which the screenshot is taken.
const around = `<!doctype html><link rel="icon" href="data:,"><style>body{margin:0}iframe{border:0;display:block}</style>
<iframe id="frame" width="%d" height="1500" src="%s"></iframe><img src="/browsertest/wait" alt="">
<script>
console.log(%q);
const frame = document.getElementById("frame");
const until = async (what, is) => {
  for (const end = Date.now() + 60000; ; await new Promise((r) => setTimeout(r, 20))) {
    const got = is();
    if (got) return got;
    if (Date.now() > end) throw new Error("never " + what);
  }
};
frame.addEventListener("load", async () => {
  const page = frame.contentWindow, doc = page.document, said = { problems: [] };
  try {
    await (async () => { %s
    })();
  } catch (e) { said.problems.push(String(e)); }
  const wide = doc.documentElement.scrollWidth;
  if (wide > page.innerWidth) said.problems.push("the page is " + wide + " pixels wide, of " + page.innerWidth);
  if (page.innerWidth !== %d) said.problems.push("looked at with " + page.innerWidth + " pixels");
  for (const r of page.performance.getEntriesByType("resource"))
    if (!r.name.startsWith(location.origin + "/") && !r.name.startsWith("data:")) said.problems.push("asks for " + r.name);
  said.text = doc.body.innerText;
  await fetch("/browsertest/done", { method: "POST", body: JSON.stringify(said) });
});
</script>`

// Look opens path of the site at a width, runs the script there (page, doc and until are
// at hand, and what it sets in said is returned as text under its key), and fails the test
// if the page is wider than the window, asks another host for something, or if Chromium's
// console has anything to say. Without a Chromium the test is not run, which is said.
func Look(t *testing.T, site http.Handler, path string, width int, script string) map[string]any {
	t.Helper()
	program := chromium()
	if program == "" {
		t.Skip("NOT RUN: there is no Chromium that works: install chromium or google-chrome to have the pages looked at")
	}
	said, ended := map[string]any{}, make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	server := httptest.NewServer(serve(ctx, site, fmt.Sprintf(around, width, path, heard, script, width), said, ended))
	defer server.Close()
	dir := t.TempDir()
	shot := filepath.Join(dir, "shot.png")
	if *shots != "" {
		shot = filepath.Join(*shots, fmt.Sprintf("%s-%d.png", strings.ReplaceAll(t.Name(), "/", "-"), width))
	}
	cmd := exec.CommandContext(ctx, program, append(flags,
		"--user-data-dir="+filepath.Join(dir, "profile"), "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
		"--enable-logging=stderr", "--log-level=0", "--hide-scrollbars", fmt.Sprintf("--window-size=%d,1500", max(width, 500)), "--screenshot="+shot, server.URL+"/browsertest/page")...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, output.String())
	}
	select {
	case <-ended:
	default:
		t.Fatalf("the page was never looked at:\n%s", output.String())
	}
	listen(t, width, output.String())
	problems, _ := said["problems"].([]any)
	for _, problem := range problems {
		t.Errorf("%d pixels: %v", width, problem)
	}
	if about, err := os.Stat(shot); err != nil || about.Size() < 5000 {
		t.Errorf("no screenshot: %v", err)
	}
	return said
}

// flags are what Chromium needs to run anywhere.
var flags = []string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"}

// chromium finds a Chromium that shows pages here: one that is there may still be confined
// to directories of its own, or lack a library. It is "" if there is none.
var chromium = sync.OnceValue(func() string {
	profile, err := os.MkdirTemp("", "browsertest")
	if err != nil {
		return ""
	}
	defer os.RemoveAll(profile)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		dom, _ := exec.CommandContext(ctx, name, append(flags, "--user-data-dir="+profile, "--dump-dom", "data:text/html,<p>it works</p>")...).Output()
		if bytes.Contains(dom, []byte("it works")) {
			return name
		}
	}
	return ""
})

// serve has the frame beside the site, and closes ended once the frame has told in said.
func serve(ctx context.Context, site http.Handler, frame string, said map[string]any, ended chan struct{}) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", site)
	mux.HandleFunc("/browsertest/page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, frame)
	})
	mux.HandleFunc("/browsertest/wait", func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-ended:
		case <-ctx.Done():
		}
		w.Header().Set("Content-Type", "image/svg+xml")
		_, _ = io.WriteString(w, `<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>`)
	})
	mux.HandleFunc("POST /browsertest/done", func(_ http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&said); err != nil {
			said["problems"] = []any{err.Error()}
		}
		close(ended)
	})
	return mux
}

// listen fails the test of what Chromium's console says.
func listen(t *testing.T, width int, output string) {
	t.Helper()
	hears := false
	for line := range strings.Lines(output) {
		switch {
		case !strings.Contains(line, ":CONSOLE"):
		case strings.Contains(line, heard):
			hears = true
		default:
			t.Errorf("%d pixels: the console says %s", width, line)
		}
	}
	if !hears {
		t.Errorf("Chromium's console was not heard:\n%s", output)
	}
}
