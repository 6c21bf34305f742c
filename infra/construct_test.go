package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/jsii-runtime-go"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/infra/rotation"
)

// TestOwnApp: a team adds rotation to an app of its own, with a VPC of the same
// stack, whose ids are known at deployment only.
func TestOwnApp(t *testing.T) {
	stack := awscdk.NewStack(awscdk.NewApp(nil), jsii.String("orders"), nil)
	vpc := awsec2.NewCfnVPC(stack, jsii.String("Vpc"), &awsec2.CfnVPCProps{CidrBlock: jsii.String("10.0.0.0/24")})
	subnet := awsec2.NewCfnSubnet(stack, jsii.String("Subnet"), &awsec2.CfnSubnetProps{
		VpcId: vpc.Ref(), CidrBlock: jsii.String("10.0.0.0/25"),
	})
	r := rotation.NewRotation(stack, jsii.String("Rotation"), &rotation.RotationProps{
		CodeDir: jsii.String(stubs), Name: jsii.String("orders"),
		Networks: &map[string]*rotation.NetworkProps{
			"database": {VpcId: vpc.Ref(), SubnetIds: &[]*string{subnet.Ref()}, Endpoints: jsii.String("create")},
		},
		Rotations: &[]*rotation.SecretProps{{
			Secret: jsii.String("prod/orders/app"), Schedule: jsii.String("cron(0 2 ? * SUN *)"), Network: jsii.String("database"),
		}},
	})
	if r.SecurityGroupID == nil || *r.ScheduleGroupName != "orders" {
		t.Errorf("the construct is %+v", r)
	}
	endpoints := assertions.Template_FromStack(stack, nil)
	endpoints.HasResourceProperties(jsii.String("AWS::EC2::VPCEndpoint"), map[string]any{
		"VpcId": map[string]any{"Ref": "Vpc"}, "SubnetIds": []any{map[string]any{"Ref": "Subnet"}},
	})
}

// TestPropsEqualFile: both ways to configure give the same template.
func TestPropsEqualFile(t *testing.T) {
	stack := awscdk.NewStack(awscdk.NewApp(nil), jsii.String("tumbler"), nil)
	rotation.NewRotation(stack, jsii.String("Rotation"), &rotation.RotationProps{
		CodeDir:   jsii.String(stubs),
		Rotations: &[]*rotation.SecretProps{{Secret: jsii.String("prod/app")}},
	})
	resources := (*assertions.Template_FromStack(stack, nil).ToJSON())["Resources"].(map[string]any)
	got, want := slices.Sorted(maps.Keys(resources)), slices.Sorted(maps.Keys(templates[1].Resources))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestPropsAreChecked as strictly as a file.
func TestPropsAreChecked(t *testing.T) {
	defer func() {
		if err, _ := recover().(error); err == nil || !strings.Contains(err.Error(), "rotations[0].schedule") {
			t.Errorf("got %v", err)
		}
	}()
	stack := awscdk.NewStack(awscdk.NewApp(nil), jsii.String("tumbler"), nil)
	rotation.NewRotation(stack, jsii.String("Rotation"), &rotation.RotationProps{
		Rotations: &[]*rotation.SecretProps{{Secret: jsii.String("a"), Schedule: jsii.String("daily")}},
	})
}
