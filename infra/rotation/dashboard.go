package rotation

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/internal/metrics"
)

// dashboard shows whether everything rotates, what failed, how long logins were
// refused, and the schedules. It adds saved queries of the same logs.
func (s *shared) dashboard(scope constructs.Construct, all []*deployment) *string {
	var widgets []any
	y := 0
	row := func(height int, contents ...map[string]any) {
		width := 24 / len(contents)
		for i, w := range contents {
			w["x"], w["y"], w["width"], w["height"] = i*width, y, width, height
			widgets = append(widgets, w)
		}
		y += height
	}
	for _, d := range all {
		row(2+len(d.rotations)/2, text(d.plan()))
		started, ended := []metric{}, []metric{}
		for _, name := range []string{"ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut"} {
			started = append(started, machineMetric(d.machine, name))
		}
		for _, outcome := range []string{"Rotated", "RestoredCleanly", "WindowClosed", "AlreadyRotating", "Refused", "NeedsAttention"} {
			ended = append(ended, d.own(metrics.Rotations, "Sum", [2]string{string(metrics.Outcome), outcome}))
		}
		row(6, graph("Is everything rotating?", started...), graph("How did rotations end?", ended...),
			graph("What is overdue, or has drifted?", d.own(metrics.Overdue, "Maximum"), d.own(metrics.Drift, "Maximum")))
		row(6, graph("How long were logins refused? (ms)", d.own(metrics.CredentialGapMs, "Maximum"), d.own(metrics.CredentialGapMs, "p50")),
			graph("Was there time left in the window? (s)", d.own(metrics.WindowSlackSeconds, "Minimum")),
			graph("Where does the time go? (ms)", d.steps()...))
		row(6, d.failures())
	}
	body, err := json.Marshal(map[string]any{"widgets": widgets})
	if err != nil {
		panic(err) // text and numbers: cannot fail
	}
	awscloudwatch.NewCfnDashboard(scope, jsii.String("Dashboard"), &awscloudwatch.CfnDashboardProps{
		DashboardName: jsii.String(s.cfg.Name), DashboardBody: jsii.String(string(body)),
	})
	for _, d := range all {
		d.queries()
	}
	return jsii.String(s.cfg.Name)
}

func (d *deployment) steps() []metric {
	var list []metric
	for _, f := range functions() {
		if f.step {
			list = append(list, d.own(metrics.StepDuration, "p90", [2]string{string(metrics.Step), f.name}))
		}
	}
	return list
}

// plan lists the schedules. A dashboard cannot compute the next window; `tumbler list`
// can.
func (d *deployment) plan() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\nWhat is next: `tumbler list --name %s` tells the next windows.\n\nSecret | Schedule (UTC) | Window\n--- | --- | ---\n", d.name, d.name)
	for _, r := range d.rotations {
		schedule, window := r.Schedule, r.Duration
		if schedule == "" {
			schedule = "on demand"
		}
		if window == "" {
			window = "default"
		}
		fmt.Fprintf(&b, "%s | `%s` | %s\n", r.Secret, schedule, window)
	}
	return b.String()
}

func text(markdown string) map[string]any {
	return map[string]any{"type": "text", "properties": map[string]any{"markdown": markdown}}
}

func graph(title string, series ...metric) map[string]any {
	var rows []any
	for _, m := range series {
		row := []any{m.namespace, m.name}
		for _, dim := range m.dimensions {
			row = append(row, dim[0], dim[1])
		}
		rows = append(rows, append(row, map[string]any{"stat": m.statistic}))
	}
	return map[string]any{"type": "metric", "properties": map[string]any{
		"title": title, "region": *awscdk.Aws_REGION(), "metrics": rows, "period": 3600, "view": "timeSeries", "stacked": false,
	}}
}

// functionLogs are the log groups of the deployment's functions.
func (d *deployment) functionLogs() []string {
	var groups []string
	for _, f := range functions() {
		if f.wanted == nil || f.wanted(d) {
			groups = append(groups, "/aws/lambda/"+d.named(f.name))
		}
	}
	return groups
}

const failedSteps = "fields @timestamp, secret, function, outcome, cause, execution\n" +
	"| filter ispresent(outcome) and outcome != 'ok'\n| sort @timestamp desc\n| limit 50"

func (d *deployment) failures() map[string]any {
	query := ""
	for _, group := range d.functionLogs() {
		query += "SOURCE '" + group + "' | "
	}
	return map[string]any{"type": "log", "properties": map[string]any{
		"title": "What failed?", "region": *awscdk.Aws_REGION(), "query": query + failedSteps, "view": "table",
	}}
}

// queries saves queries in Logs Insights.
func (d *deployment) queries() {
	functionsLogs, machineLogs := d.functionLogs(), []string{"/aws/vendedlogs/states/" + d.named("rotation")}
	for _, q := range []struct {
		id, name, query string
		groups          []string
	}{
		{"FailedSteps", "Steps that failed", failedSteps, functionsLogs},
		{"OneSecret", "Everything about one secret", "fields @timestamp, function, step, outcome, cause, durationMs, version, execution\n" +
			"| filter secret like /NAME/\n| sort @timestamp asc", functionsLogs},
		{"Slowest", "The slowest steps", "filter ispresent(durationMs)\n" +
			"| stats count(*) as attempts, pct(durationMs, 50) as p50, pct(durationMs, 99) as p99, max(durationMs) as most by function\n| sort p99 desc", functionsLogs},
		{"Endings", "How executions ended, by day", "filter type in ['SucceedStateEntered', 'FailStateEntered']\n" +
			"| stats count(*) by details.name, bin(1d)", machineLogs},
	} {
		props := &awslogs.CfnQueryDefinitionProps{
			Name: jsii.String("Tumbler/" + d.name + "/" + q.name), QueryString: jsii.String(q.query),
			LogGroupNames: anyOf(*jsii.Strings(q.groups...)),
		}
		query := awslogs.NewCfnQueryDefinition(d.scope, jsii.String("Query"+q.id), props)
		if q.id == "Endings" {
			query.AddResourceDependency(d.scope.Node().FindChild(jsii.String("StateMachineLogs")).(awslogs.CfnLogGroup), nil)
		}
	}
}
