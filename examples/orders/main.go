// Command orders is a CDK app of a team that has a database and rotates its credentials
// with Tumbler: with `npx cdk deploy --app "go run ./examples/orders"`, or copied into a
// module of its own (docs/deploy.md, "In another CDK app").
package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsrds"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/infra/rotation"
)

func main() {
	defer jsii.Close()
	// The functions are built at every synthesis, from the version of Tumbler in go.mod.
	const codeDir = "build/lambda"
	if err := rotation.BuildFunctions(codeDir, "arm64"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	app := awscdk.NewApp(nil)
	orders(app, codeDir)
	app.Synth(nil)
}

// orders is the stack: a database, the credentials of its application, and their rotation.
func orders(app awscdk.App, codeDir string) awscdk.Stack {
	stack := awscdk.NewStack(app, jsii.String("orders"), nil)
	vpc := awsec2.NewVpc(stack, jsii.String("Vpc"), &awsec2.VpcProps{MaxAzs: jsii.Number(2), NatGateways: jsii.Number(1)})
	database := awsrds.NewDatabaseInstance(stack, jsii.String("Database"), &awsrds.DatabaseInstanceProps{
		Engine: awsrds.DatabaseInstanceEngine_Postgres(&awsrds.PostgresInstanceEngineProps{Version: awsrds.PostgresEngineVersion_VER_17()}),
		Vpc:    vpc,
		// The superuser has a name, so that the rotation may be named after it.
		Credentials: awsrds.Credentials_FromGeneratedSecret(jsii.String("postgres"), &awsrds.CredentialsBaseOptions{SecretName: jsii.String("orders/superuser")}),
	})
	application := awssecretsmanager.NewSecret(stack, jsii.String("Application"), &awssecretsmanager.SecretProps{
		SecretName: jsii.String("orders/app"),
		GenerateSecretString: &awssecretsmanager.SecretStringGenerator{
			SecretStringTemplate: stack.ToJsonString(map[string]any{
				"engine": "postgres", "host": database.DbInstanceEndpointAddress(), "username": "orders", "dbname": "orders",
			}, nil),
			GenerateStringKey: jsii.String("password"), ExcludePunctuation: jsii.Bool(true),
		},
	})

	r := rotation.NewRotation(stack, jsii.String("Rotation"), &rotation.RotationProps{
		Name: jsii.String("orders"), CodeDir: &codeDir, RemovalPolicy: awscdk.RemovalPolicy_RETAIN,
		Alerts: &rotation.AlertProps{Emails: jsii.Strings("orders-oncall@example.com")},
		Networks: &map[string]*rotation.NetworkProps{
			"database": {Vpc: vpc, Databases: &[]awsec2.IConnectable{database}, DatabasePorts: &[]*float64{jsii.Number(5432)}},
		},
		Defaults: &rotation.DefaultProps{Network: jsii.String("database")},
		Rotations: &[]*rotation.SecretProps{{
			FromSecret: application, Strategy: jsii.String("alternating-users"), FromSuperuserSecret: database.Secret(),
			Schedule: jsii.String("cron(0 2 ? * SUN *)"), Duration: jsii.String("3h"),
		}},
	})

	oncall := awsiam.NewRole(stack, jsii.String("Oncall"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()})
	r.GrantRotate(oncall)
	awscloudwatch.NewDashboard(stack, jsii.String("Dashboard"), &awscloudwatch.DashboardProps{
		Widgets: &[]*[]awscloudwatch.IWidget{{awscloudwatch.NewGraphWidget(&awscloudwatch.GraphWidgetProps{
			Left: &[]awscloudwatch.IMetric{r.Metric("CredentialGapMs", &awscloudwatch.MetricOptions{Statistic: jsii.String("Maximum")})},
		})}},
	})
	return stack
}
