package sandbox_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/sandbox/iam"
)

// permissions is what of the policies has allowed something in any test.
var permissions usage

type usage struct {
	mu   sync.Mutex
	uses map[iam.Use]bool
}

func (u *usage) note(use iam.Use) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.uses == nil {
		u.uses = map[iam.Use]bool{}
	}
	u.uses[use] = true
}

func (u *usage) has(use iam.Use) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.uses[use]
}

// justified are permissions that no test here can use, each with the reason why it
// stays.
var justified = []struct{ permission, why string }{
	{"operator ", "internal/cli's scripts run as it"},
	{"[logs:", "Lambda writes logs as the role; the sandbox has no CloudWatch Logs"},
	{"[xray:", "likewise, traces"},
	{"[logs:CreateLogDelivery ", "likewise Step Functions"},
	{"[kms:CancelKeyDeletion ", "administrators and CloudFormation manage the key"},
	{"[kms:Decrypt kms:GenerateDataKey]: *", "of the key's policy, for CloudWatch; the sandbox has no alarms"},
	{":tumbler-alerts[sns:Publish]", "likewise of the topic's"},
	{":function:tumbler-audit invoked by", "a rule with a schedule; the sandbox's rules have patterns"},
	{":function:tumbler-heartbeat invoked by", "likewise"},
	{"fleet [states:DescribeExecution states:StopExecution]", "a distributed Map's child executions, which the sandbox runs within their parent"},
	{"fleet [states:RedriveExecution]", "likewise"},
	{"restore [redshift:DescribeClusters]", "the statement and the code of setsecret, where it is used"},
	{"rotator [redshift:DescribeClusters]", "likewise"},
	{": secretsmanager:ListSecretVersionIds", "SetSecret, Restore and the rotator look through a secret's versions for one that logs in"},
}

// unused lists permissions without a use and without a reason, and reasons without a
// permission.
func unused(d *iam.Deployment) (list []string) {
	there := map[string]bool{}
	for _, g := range d.Grants() {
		reason := false
		for _, j := range justified {
			if strings.Contains(g.String(), j.permission) {
				there[j.permission], reason = true, true
			}
		}
		if !reason && !permissions.has(g) {
			list = append(list, g.String())
		}
	}
	for _, j := range justified {
		if !there[j.permission] {
			list = append(list, j.permission+", which is not there any more: take out the reason why it stays")
		}
	}
	return list
}

// everyPermission runs all tests and then asks which permissions none has used. A
// run of some of the tests cannot tell.
type everyPermission struct{ tests dbtest.Runner }

func (e everyPermission) Run() int {
	code := e.tests.Run()
	if code != 0 || flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.skip").Value.String() != "" || flag.Lookup("test.list").Value.String() != "" {
		return code
	}
	open, err := iam.Load(iam.Open)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	list := unused(open)
	for _, permission := range list {
		fmt.Println("no test uses the permission", permission)
	}
	if len(list) > 0 {
		fmt.Println("FAIL: remove them from infra/rotation, use them in a test, or say in sandbox/permissions_test.go why they stay")
		return 1
	}
	return 0
}
