package rotation

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/internal/config"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// placement is the VPC configuration of the functions that connect to the database.
type placement struct {
	group  *string // their own security group
	config *awslambda.CfnFunction_VpcConfigProperty
	// prerequisites are the rules and endpoints that must exist before the first rotation.
	prerequisites []awscdk.CfnResource
	// environment holds the URLs of the deployment's own endpoints, for the AWS SDK.
	environment map[string]any
}

const (
	https = 443
	// Databases without a known security group may have any address.
	anywhere, anywhereIPv6 = "0.0.0.0/0", "::/0"
)

// newPlacement returns nil without a VPC.
func (d *deployment) newPlacement() *placement {
	n := d.network
	if n == nil {
		return nil
	}
	vpc, subnets := d.vpc()
	group := awsec2.NewCfnSecurityGroup(d.scope, jsii.String("DatabaseClients"), &awsec2.CfnSecurityGroupProps{
		GroupDescription: jsii.String("Functions of Tumbler that log in to databases. Let it in where the database listens."),
		VpcId:            vpc,
		// Egress that is not listed is refused. With an empty list AWS would allow all.
		SecurityGroupEgress: d.egress(),
	})
	p := &placement{
		group: group.AttrGroupId(),
		config: &awslambda.CfnFunction_VpcConfigProperty{
			SubnetIds:        &subnets,
			SecurityGroupIds: jsii.Strings(append([]string{*group.AttrGroupId()}, n.SecurityGroups...)...),
		},
	}
	if n.DualStack {
		p.config.Ipv6AllowedForDualStack = jsii.Bool(true)
	}
	for i, database := range n.DatabaseSecurityGroups {
		for _, ports := range portRanges(n) {
			id := fmt.Sprintf("%s-%d", groupID(i, database), ports.from)
			p.allowTo(d, "ToDatabase"+id, database, ports, "Databases")
			p.allowFrom(d, "FromFunctions"+id, database, ports)
		}
	}
	for i, endpoint := range n.EndpointSecurityGroups {
		id := groupID(i, endpoint)
		p.allowTo(d, "ToEndpoint"+id, endpoint, onePort(https), "Endpoints of AWS")
		p.allowFrom(d, "EndpointFromFunctions"+id, endpoint, onePort(https))
	}
	if n.Endpoints == config.CreateEndpoints {
		p.endpoints(d, vpc, subnets)
	}
	return p
}

// groupID distinguishes the logical ids of a group's rules. The index would change with
// the list, and is used only for a group of the same app, whose id is not known yet.
func groupID(i int, group string) string {
	if *awscdk.Token_IsUnresolved(group) {
		return strconv.Itoa(i)
	}
	return shortHash(group)
}

// vpc returns the VPC and subnets that the configuration names, or finds them by tags in
// the account.
func (d *deployment) vpc() (id *string, subnets []*string) {
	n := d.network
	for _, subnet := range n.Subnets {
		subnets = append(subnets, jsii.String(subnet))
	}
	if len(n.VPCTags) == 0 {
		return jsii.String(n.VPC), subnets
	}
	found := d.lookUp()
	if len(subnets) == 0 {
		subnets = *jsii.Strings(found.private()...)
	}
	if len(subnets) == 0 {
		awscdk.Annotations_Of(d.scope).AddError(jsii.String("the VPC that vpcTags find has no private subnets: name subnets in the network " + n.Name))
	}
	return jsii.String(found.VPCID), subnets
}

// foundVPC is the CDK CLI's answer to a look-up. Source: CDK's cx-api,
// "VpcContextResponse".
type foundVPC struct {
	VPCID        string `json:"vpcId"`
	SubnetGroups []struct {
		Type    string `json:"type"` // Public, Private or Isolated
		Subnets []struct {
			SubnetID string `json:"subnetId"`
		} `json:"subnets"`
	} `json:"subnetGroups"`
}

// private returns the private subnets that have a route to the internet, or else the
// isolated ones.
func (v foundVPC) private() []string {
	for _, kind := range []string{"Private", "Isolated"} {
		var ids []string
		for _, group := range v.SubnetGroups {
			for _, subnet := range group.Subnets {
				if group.Type == kind {
					ids = append(ids, subnet.SubnetID)
				}
			}
		}
		if len(ids) > 0 {
			return ids
		}
	}
	return nil
}

// notYetFound takes the place of the VPC in the first of two syntheses, which asks the
// CLI to look it up. CDK's own dummy value has an id that CDK's validation refuses.
var notYetFound = map[string]any{
	"vpcId": "vpc-00000000000000000",
	"subnetGroups": []any{map[string]any{
		"name": "Private", "type": "Private", "subnets": []any{map[string]any{"subnetId": "subnet-00000000000000000"}},
	}},
}

// lookUp asks the CDK CLI, which keeps the answer in cdk.context.json.
func (d *deployment) lookUp() foundVPC {
	filter := map[string]any{}
	for key, value := range d.network.VPCTags {
		filter["tag:"+key] = value
	}
	answer := awscdk.ContextProvider_GetValue(d.scope, &awscdk.GetContextValueOptions{
		Provider:   jsii.String("vpc-provider"),
		Props:      &map[string]any{"filter": filter, "returnAsymmetricSubnets": true},
		DummyValue: notYetFound,
	})
	var found foundVPC
	encoded, err := json.Marshal(answer.Value)
	if err == nil {
		err = json.Unmarshal(encoded, &found)
	}
	if err != nil || found.VPCID == "" {
		awscdk.Annotations_Of(d.scope).AddError(jsii.String("the answer about the VPC of network " + d.network.Name + " cannot be read: delete cdk.context.json and try again"))
		return foundVPC{VPCID: "vpc-00000000000000000"}
	}
	return found
}

type portRange struct{ from, to int }

func onePort(port int) portRange { return portRange{port, port} }

// portRanges are the ports opened to the databases' security groups. A database's port
// is in its secret, which a deployment does not read, so without databasePorts all ports
// are opened.
func portRanges(n *config.Network) []portRange {
	if len(n.DatabasePorts) == 0 {
		return []portRange{{0, 65535}}
	}
	return listed(n.DatabasePorts)
}

// usualPorts are the default ports of the engines, and that of Oracle with TLS. They are
// the only ones opened to arbitrary addresses, unless databasePorts says otherwise.
var usualPorts = func() []int {
	ports := []int{oracleTLS}
	for _, traits := range secretdoc.Engines {
		if traits.Family != "" && !slices.Contains(ports, traits.DefaultPort) {
			ports = append(ports, traits.DefaultPort)
		}
	}
	slices.Sort(ports)
	return ports
}()

// oracleTLS is the default port of the RDS option for TLS of Oracle. Source: Amazon RDS
// user guide, "Oracle Secure Sockets Layer".
const oracleTLS = 2484

func listed(databasePorts []int) []portRange {
	var ranges []portRange
	for _, port := range databasePorts {
		ranges = append(ranges, onePort(port))
	}
	return ranges
}

// egress are the group's rules by address: to databases without a known security group,
// and to AWS unless it is reached through endpoints. Rules to other groups are resources
// of their own.
func (d *deployment) egress() []any {
	n := d.network
	var rules []any
	add := func(ports portRange, what string) {
		rule := awsec2.CfnSecurityGroup_EgressProperty{
			Description: jsii.String(what), IpProtocol: jsii.String("tcp"),
			FromPort: jsii.Number(ports.from), ToPort: jsii.Number(ports.to), CidrIp: jsii.String(anywhere),
		}
		rules = append(rules, rule)
		if n.DualStack {
			rule.CidrIp, rule.CidrIpv6 = nil, jsii.String(anywhereIPv6)
			rules = append(rules, rule)
		}
	}
	if len(n.DatabaseSecurityGroups) == 0 {
		ports := n.DatabasePorts
		if len(ports) == 0 {
			ports = usualPorts
		}
		for _, port := range listed(ports) {
			add(port, "Databases")
		}
	}
	if n.Endpoints == config.NoEndpoints {
		add(onePort(https), "Secrets Manager, and RDS for managed superusers")
	}
	if len(rules) == 0 {
		// For an empty list CloudFormation would allow everything.
		rules = append(rules, awsec2.CfnSecurityGroup_EgressProperty{
			Description: jsii.String("Nowhere: rules to other groups are resources of their own"), IpProtocol: jsii.String("icmp"),
			FromPort: jsii.Number(252), ToPort: jsii.Number(86), CidrIp: jsii.String("255.255.255.255/32"),
		})
	}
	return rules
}

// allowTo adds an egress rule from the functions to a group.
func (p *placement) allowTo(d *deployment, id, to string, ports portRange, what string) {
	p.prerequisites = append(p.prerequisites, awsec2.NewCfnSecurityGroupEgress(d.scope, jsii.String(id), &awsec2.CfnSecurityGroupEgressProps{
		GroupId: p.group, DestinationSecurityGroupId: jsii.String(to), Description: jsii.String(what),
		IpProtocol: jsii.String("tcp"), FromPort: jsii.Number(ports.from), ToPort: jsii.Number(ports.to),
	}))
}

// allowFrom adds an ingress rule to a group, from the functions.
func (p *placement) allowFrom(d *deployment, id, to string, ports portRange) {
	p.prerequisites = append(p.prerequisites, awsec2.NewCfnSecurityGroupIngress(d.scope, jsii.String(id), &awsec2.CfnSecurityGroupIngressProps{
		GroupId: jsii.String(to), SourceSecurityGroupId: p.group, Description: jsii.String("Tumbler " + d.name),
		IpProtocol: jsii.String("tcp"), FromPort: jsii.Number(ports.from), ToPort: jsii.Number(ports.to),
	}))
}

// endpoints creates endpoints for the services that the functions in the VPC call. They
// have no private DNS names: those apply to the whole VPC, and would send its
// applications' calls to endpoints that serve Tumbler alone, or collide with existing
// endpoints. The functions get the endpoints' own names.
func (p *placement) endpoints(d *deployment, vpc *string, subnets []*string) {
	group := awsec2.NewCfnSecurityGroup(d.scope, jsii.String("EndpointGroup"), &awsec2.CfnSecurityGroupProps{
		GroupDescription: jsii.String("Interface endpoints of Tumbler"),
		VpcId:            vpc,
		SecurityGroupIngress: []any{awsec2.CfnSecurityGroup_IngressProperty{
			Description: jsii.String("Tumbler " + d.name), IpProtocol: jsii.String("tcp"),
			FromPort: jsii.Number(https), ToPort: jsii.Number(https), SourceSecurityGroupId: p.group,
		}},
	})
	p.allowTo(d, "ToEndpoints", *group.AttrGroupId(), onePort(https), "Endpoints of AWS")
	p.environment = map[string]any{}
	for _, s := range d.services() {
		props := &awsec2.CfnVPCEndpointProps{
			ServiceName:       d.endpointService(s.service),
			VpcEndpointType:   jsii.String("Interface"),
			VpcId:             vpc,
			SubnetIds:         anyOf(subnets),
			SecurityGroupIds:  &[]any{*group.AttrGroupId()},
			PolicyDocument:    policy(s.allowed...),
			PrivateDnsEnabled: jsii.Bool(false),
		}
		if d.network.DualStack {
			props.IpAddressType = jsii.String("dualstack")
		}
		endpoint := awsec2.NewCfnVPCEndpoint(d.scope, jsii.String(s.id+"Endpoint"), props)
		p.prerequisites = append(p.prerequisites, endpoint)
		// The first entry is the name of the endpoint in all its zones, as ZONE:NAME.
		entry := awscdk.Fn_Select(jsii.Number(0), endpoint.AttrDnsEntries())
		name := awscdk.Fn_Select(jsii.Number(1), awscdk.Fn_Split(jsii.String(":"), entry, nil))
		p.environment[s.variable] = "https://" + *name
	}
}

// chinas are the services whose endpoints are named differently in China.
// Source: CDK's InterfaceVpcEndpointAwsService.
var chinas = []string{"rds"}

func (d *deployment) endpointService(service string) *string {
	name := "com.amazonaws." + *awscdk.Aws_REGION() + "." + service
	switch known := !*awscdk.Token_IsUnresolved(d.region); {
	case !slices.Contains(chinas, service) || known && !strings.HasPrefix(d.region, "cn-"):
		return &name
	case known:
		return jsii.String("cn." + name)
	}
	if d.inChina == nil {
		d.inChina = awscdk.NewCfnCondition(d.scope, jsii.String("InChina"), &awscdk.CfnConditionProps{
			Expression: awscdk.Fn_ConditionEquals(awscdk.Aws_PARTITION(), "aws-cn"),
		})
	}
	return awscdk.Token_AsString(awscdk.Fn_ConditionIf(d.inChina.LogicalId(), "cn."+name, name), nil)
}

// service is an AWS API that the functions in the VPC call, with the statements of its
// endpoint's policy. The functions' roles have to allow the calls, too.
type service struct {
	id, service string
	variable    string // from which the AWS SDK reads the endpoint's URL
	allowed     []statement
}

// reachesStepFunctions reports whether functions in the VPC can call Step Functions. The
// deployment's own endpoints do not include it: only preflight would use it, and works
// without.
func (d *deployment) reachesStepFunctions() bool {
	return d.network == nil || d.network.Endpoints != config.CreateEndpoints
}

// throughEndpoint are the secrets that the endpoint's policy names: all that the roles
// may use. If these are too many for the policy, it allows all secrets of the account,
// and only the roles restrict.
func (d *deployment) throughEndpoint() []string {
	all := append(d.secrets(), d.superusers(d.rotations)...)
	if length([]statement{{Actions: []string{""}, Resources: append(all, d.arns(d.backstopped())...)}}) <= config.LongestEndpoint-2_000 {
		return all
	}
	return []string{d.arn("secretsmanager", "secret:*")}
}

func (d *deployment) services() []service {
	secretARNs := d.throughEndpoint()
	written := d.arns(d.backstopped())
	if len(secretARNs) == 1 {
		written = secretARNs
	}
	within := func(actions []string, resources []string) statement {
		return statement{
			Principal: map[string]any{"AWS": "*"}, Actions: actions, Resources: resources,
			Condition: map[string]any{"StringEquals": map[string]any{"aws:PrincipalAccount": *awscdk.Aws_ACCOUNT_ID()}},
		}
	}
	secrets := service{"SecretsManager", "secretsmanager", "AWS_ENDPOINT_URL_SECRETS_MANAGER", []statement{within([]string{
		"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:ListSecretVersionIds",
		"secretsmanager:UpdateSecretVersionStage",
	}, secretARNs)}}
	scheduler := service{"Scheduler", "scheduler", "AWS_ENDPOINT_URL_SCHEDULER", []statement{
		within([]string{"scheduler:GetSchedule"}, []string{d.arn("scheduler", "schedule/"+d.name+"/*")}),
	}}
	if d.hasHeartbeat() {
		scheduler.allowed = append(scheduler.allowed, within([]string{"scheduler:ListSchedules"}, anyResource))
	}
	list := []service{scheduler}
	if d.hasRotator() {
		secrets.allowed = append(secrets.allowed, within([]string{"secretsmanager:PutSecretValue"}, written))
	}
	if len(d.superusers(d.rotations)) > 0 {
		list = append(list, service{"Rds", "rds", "AWS_ENDPOINT_URL_RDS", []statement{within(rdsActions, anyResource)}})
	}
	return append(list, secrets)
}

func anyOf(values []*string) *[]any {
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = *v
	}
	return &list
}
