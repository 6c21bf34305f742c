package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/config"
)

// TestLimits: what `tumbler validate` computes is no less than what is synthesised,
// and near enough to be of use.
func TestLimits(t *testing.T) {
	configs := map[string]*config.Config{}
	for name, cfg := range variantConfigs(t) {
		configs[name] = cfg
	}
	configs["90 with keys"] = parse(t, many(90, "kmsKey: arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab, "))
	configs["140"] = parse(t, many(140, ""))
	configs["500"] = parse(t, many(500, ""))
	configs["5000"] = parse(t, "permissions: {secrets: [prod/team-*]}\n"+many(5000, ""))
	for name, cfg := range configs {
		src, err := synth(cfg)
		if err != nil {
			t.Fatal(err)
		}
		tpl := templateOf(t, src)
		got := map[string]int{"resources": len(tpl.Resources), "characters of the template": len(src)}
		for _, r := range tpl.Resources {
			if r.Type == "AWS::IAM::Role" {
				got["characters of the longest"] = max(got["characters of the longest"], resolved{tpl}.size(t, r))
			}
			if r.Type == "AWS::EC2::VPCEndpoint" {
				if size := len(compact(t, resolved{tpl}.plain(r.Properties["PolicyDocument"]))); size > config.LongestEndpoint {
					t.Errorf("%s: an endpoint's policy has %d characters", name, size)
				}
			}
		}
		for what, n := range got {
			most := 0
			for _, l := range cfg.Limits() {
				if strings.HasPrefix(l.What, what) {
					most = max(most, l.Got)
				}
			}
			if n > most || n < most/4 {
				t.Errorf("%s: %s: %d, and validate computes %d", name, what, n, most)
			}
			t.Logf("%s: %s: %d; validate computes %d", name, what, n, most)
		}
	}
}

// many rotations of one network.
func many(n int, fields string) string {
	var b strings.Builder
	b.WriteString("networks:\n  db: {vpc: vpc-0a1b2c3d4e5f60718, subnets: [subnet-0a1b2c3d4e5f60718], endpoints: create}\n" +
		"defaults: {" + fields + "network: db, strategy: alternating-users, superuserSecret: prod/shared/admin}\nrotations:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - secret: prod/team-%02d/service-%03d/database-app\n    schedule: rate(30 days)\n", i%20, i)
	}
	return b.String()
}
