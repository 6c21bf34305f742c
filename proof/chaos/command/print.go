package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// aws is what the same questions, asked of AWS's published rotation functions
// (Python templates of February 2025), were answered: how many points there are,
// and at how many access is lost for good when a new rotation follows.
var aws = map[string]map[rotation.Strategy]string{
	"postgres": {rotation.SingleUser: "14 of 38", rotation.AlternatingUsers: "0 of 44"},
	"mariadb":  {rotation.SingleUser: "16 of 36", rotation.AlternatingUsers: "0 of 46"},
}

// print writes the table.
func (s *suite) print(to io.Writer) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "server\ttarget\tevents\tpoints\tAWS loses\tcases tried\tpairs of faults\traces\tkilled\tviolations")
	sampled := false
	for _, r := range s.rows {
		lost := "-"
		kind, _, _ := strings.Cut(r.target.Name, " ")
		if text, ok := aws[kind][r.target.Strategy]; ok && r.target.Before == 0 {
			lost = text
		}
		sampled = sampled || r.report.Cases < r.report.All || r.killed.Cases < r.killed.All
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%d of %d\t%d\t%s\t%s\t%d\n", r.target.Product, r.target.Name,
			len(r.report.Events), all(r.report.Broken, r.report.Points), lost, r.report.Cases, r.report.All, r.pairs,
			some(r.races, 0), some(r.killed.Cases, r.killed.All), len(r.broken))
	}
	_ = w.Flush() // a terminal
	fmt.Fprintf(to, `
A point is an event (a call of Secrets Manager, a round trip with the database)
before or after it takes effect. At each one connections and processes end, and
Step Functions' retry, a redrive, a new run, a native rotation or nobody follows.
"AWS loses": points at which AWS's published functions lose access for good when
a new rotation follows, of all; measured once, with the templates of February 2025
on PostgreSQL 15 and MariaDB 10.11. At 4 of the last 46 they report a success and
the clone lacks grants.
Killed: the functions' own binaries, ended by SIGKILL.
`)
	for _, r := range s.rows {
		if r.races > 0 {
			fmt.Fprintf(to, "Races of %s: %s.\n", r.target.Name, endings(r.ends))
		}
	}
	for _, why := range s.missing {
		fmt.Fprintln(to, "NOT RUN:", why)
	}
	sample := ""
	if sampled {
		sample = "; there was no time for all cases, which ones were tried depends on the seed"
	}
	fmt.Fprintf(to, "Seed %d, %s%s.\n", s.seed, time.Since(s.began).Round(time.Second), sample)
	for _, r := range s.rows {
		for _, b := range r.broken {
			fmt.Fprintln(to, "BROKEN:", b)
		}
	}
	if s.violations() > 0 {
		fmt.Fprintln(to, `Run one again with: go run ./proof/chaos/command -case "TARGET: CASE"`)
	}
}

// all writes a number, and how many there are if that is not all.
func all(n, of int) string {
	if n == of {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d of %d", n, of)
}

// some writes how many of how many, if any.
func some(n, of int) string {
	switch {
	case n == 0:
		return "-"
	case of == 0:
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d of %d", n, of)
}
