package console_test

import (
	"context"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/proof/browsertest"
)

// A real browser presses the page's buttons against the real sandbox: states light up,
// labels move, a failure and its alert are shown, and no value is.
func TestConsoleInChromium(t *testing.T) {
	logins := 0
	w := newWorld(t, func(context.Context) error {
		if logins++; logins%3 == 0 {
			return fault.New(fault.LoginRefused, "no", "")
		}
		return nil
	})
	target, err := url.Parse(w.url)
	if err != nil {
		t.Fatal(err)
	}
	// The page lets nobody frame it; all else it says of itself stays.
	site := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error {
			policy := r.Header.Get("Content-Security-Policy")
			r.Header.Set("Content-Security-Policy", strings.Replace(policy, "frame-ancestors 'none'", "frame-ancestors 'self'", 1))
			return nil
		},
	}
	for _, width := range browsertest.Widths {
		said := browsertest.Look(t, site, "/_sandbox/console", width, `
    const $ = (id) => doc.getElementById(id), state = (name) => [...$("states").children].find((li) => li.firstChild.textContent === name);
    const holder = (label) => [...$("versions").children].find((v) => v.innerText.includes(label))?.querySelector("code").textContent;
    const before = await until("a label", () => holder("AWSCURRENT"));
    await until("faults", () => $("fault").options.length > 3);
    $("rotate").click();
    await until("SetSecret lit up", () => state("SetSecret").className !== "");
    await until("rotated", () => $("ending").textContent === "Rotated");
    await until("AWSCURRENT moved", () => holder("AWSCURRENT") && holder("AWSCURRENT") !== before);
    for (const name of ["Plan", "CreateSecret", "SetSecret", "TestSecret", "FinishSecret"])
      if (state(name).className !== "done") said.problems.push(name + " is " + state(name).className);
    $("fault").value = "CreateSecret may not store a version";
    $("fault").dispatchEvent(new page.Event("change"));
    const alerts = $("alerts").innerText;
    $("rotate").click();
    await until("refused", () => $("ending").textContent === "Refused");
    await until("an alert", () => $("alerts").innerText !== alerts && $("alerts").querySelector("details"));
    if (!state("CreateSecret").className.match(/failed|done/)) said.problems.push("CreateSecret is " + state("CreateSecret").className);
    $("alerts").querySelector("details").open = true;
    await until("logins", () => $("plot").querySelector(".ok") && $("plot").querySelector(".no"));
    $("fault").value = "";
    $("fault").dispatchEvent(new page.Event("change"));
    await until("no fault", async () => (await (await fetch("/_sandbox/console/state")).json()).fault === "");
    said.html = doc.documentElement.outerHTML;`)
		html, _ := said["html"].(string)
		if html == "" || strings.Contains(html, w.secret) || strings.Contains(html, `"password"`) {
			t.Errorf("%d pixels: the page shows a value, or nothing", width)
		}
	}
}
