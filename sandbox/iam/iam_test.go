package iam

import (
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// What is not known is refused when it is read, not passed over.
func TestRefusesWhatItDoesNotKnow(t *testing.T) {
	const head = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:B","Resource":"*"`
	if _, err := ParseDocument([]byte(head + `}]}`)); err != nil {
		t.Fatal(err)
	}
	for name, rest := range map[string]string{
		"element":   `,"NotPrincipal":{"AWS":"*"}}]}`,
		"operator":  `,"Condition":{"StringNotEquals":{"aws:SourceArn":"x"}}}]}`,
		"modifier":  `,"Condition":{"StringEqualsIfExists":{"aws:SourceArn":"x"}}}]}`,
		"set":       `,"Condition":{"ForAllValues:StringEquals":{"aws:SourceArn":"x"}}}]}`,
		"key":       `,"Condition":{"StringEquals":{"aws:PrincipalOrgID":"x"}}}]}`,
		"no values": `,"Condition":{"StringEquals":{"aws:SourceArn":[]}}}]}`,
		"principal": `,"Principal":{"Federated":"x"}}]}`,
		"variable":  `,"Condition":{"StringEquals":{"aws:SourceArn":"${aws:username}"}}}]}`,
	} {
		if d, err := ParseDocument([]byte(head + rest)); err == nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
	for name, src := range map[string]string{
		"version": `{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Action":"a:B","Resource":"*"}]}`,
		"effect":  `{"Version":"2012-10-17","Statement":[{"Effect":"allow","Action":"a:B","Resource":"*"}]}`,
		"actions": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*"}]}`,
		"nothing": `{"Version":"2012-10-17","Statement":[]}`,
	} {
		if d, err := ParseDocument([]byte(src)); err == nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestDecides(t *testing.T) {
	const db = "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/app-AbCdEf"
	for name, tt := range map[string]struct {
		policy, action, resource string
		context                  map[string]string
		want                     decision
	}{
		"allowed":                   {`"Allow","Action":["s:Put","s:Get"],"Resource":"` + db + `"`, "s:Get", db, nil, allowed},
		"another action":            {`"Allow","Action":"s:Get","Resource":"*"`, "s:GetAll", db, nil, implicit},
		"another resource":          {`"Allow","Action":"s:Get","Resource":"` + db + `"`, "s:Get", db + "x", nil, implicit},
		"six characters":            {`"Allow","Action":"s:Get","Resource":"arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/app-??????"`, "s:Get", db, nil, allowed},
		"a longer name":             {`"Allow","Action":"s:Get","Resource":"arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/app-??????"`, "s:Get", strings.Replace(db, "app", "app-two", 1), nil, implicit},
		"a wildcard and its part":   {`"Allow","Action":"s:Get","Resource":"arn:aws:*:us-east-1:123456789012:secret:prod/app-AbCdEf"`, "s:Get", db, nil, allowed},
		"no wildcard over a colon":  {`"Allow","Action":"s:Get","Resource":"arn:aws:secretsmanager:*:secret:prod/app-AbCdEf"`, "s:Get", db, nil, implicit},
		"denied":                    {`"Allow","Action":"s:*","Resource":"*"},{"Effect":"Deny","Action":"s:Get","Resource":"*"`, "s:Get", db, nil, denied},
		"actions have no case":      {`"Allow","Action":"S:get","Resource":"*"`, "s:Get", db, nil, allowed},
		"condition met":             {`"Allow","Action":"s:Get","Resource":"*","Condition":{"StringLike":{"kms:ViaService":["a.*","b"]}}`, "s:Get", db, map[string]string{"kms:ViaService": "a.b"}, allowed},
		"condition not met":         {`"Allow","Action":"s:Get","Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"a.*"}}`, "s:Get", db, map[string]string{"kms:ViaService": "a.b"}, implicit},
		"one of two conditions":     {`"Allow","Action":"s:Get","Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"a","aws:SourceArn":"x"}}`, "s:Get", db, map[string]string{"kms:ViaService": "a"}, implicit},
		"denied without TLS":        {`"Deny","Action":"s:Get","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}`, "s:Get", db, map[string]string{"aws:SecureTransport": "false"}, denied},
		"denial that does not hold": {`"Deny","Action":"s:Get","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}`, "s:Get", db, map[string]string{"aws:SecureTransport": "true"}, implicit},
	} {
		document, err := ParseDocument([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":` + tt.policy + `}]}`))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := (&Deployment{}).decide("p", "", []Document{document}, Principal{}, Request{tt.action, tt.resource, tt.context}); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// The deployed policies, asked what they must not allow: each line is a way that an
// attacker inside one function would try.
func TestDeployedPoliciesRefuse(t *testing.T) {
	d, err := Load(Closed)
	if err != nil {
		t.Fatal(err)
	}
	d.Secrets, d.Superusers = []string{"prod/app"}, []string{"prod/admin"}
	secret := func(name string) string { return ARN("secretsmanager", "secret:"+name+"-AbCdEf") }
	key := ARN("kms", "key/11111111-1111-1111-1111-111111111111")
	via := func(service, of string) map[string]string {
		return map[string]string{"kms:ViaService": service, "kms:EncryptionContext:SecretARN": of}
	}
	secretsManager := "secretsmanager." + Region + ".amazonaws.com"
	for _, tt := range []struct {
		role string
		Request
		ok bool
	}{
		{"setsecret", Request{"secretsmanager:GetSecretValue", secret("prod/app"), nil}, true},
		{"setsecret", Request{"secretsmanager:GetSecretValue", secret("prod/admin"), nil}, true},
		{"setsecret", Request{"secretsmanager:GetSecretValue", secret("prod/app-two"), nil}, false},
		{"setsecret", Request{"secretsmanager:PutSecretValue", secret("prod/app"), nil}, false},
		{"rotator", Request{"secretsmanager:PutSecretValue", secret("prod/admin"), nil}, false},
		{"createsecret", Request{"secretsmanager:GetSecretValue", secret("prod/admin"), nil}, false},
		{"plan", Request{"secretsmanager:GetSecretValue", secret("prod/app"), nil}, false},
		{"setsecret", Request{"kms:Decrypt", key, via(secretsManager, secret("prod/app"))}, true},
		{"setsecret", Request{"kms:Decrypt", key, via("s3.us-east-1.amazonaws.com", secret("prod/app"))}, false},
		{"setsecret", Request{"kms:Decrypt", key, via(secretsManager, secret("prod/other"))}, false},
		{"setsecret", Request{"kms:Decrypt", key, nil}, false},
		{"rotation", Request{"lambda:InvokeFunction", ARN("lambda", "function:other"), nil}, false},
		{"scheduler", Request{"states:StartExecution", ARN("states", "stateMachine:other"), nil}, false},
	} {
		if err := d.May(tt.role, tt.Request); (err == nil) != tt.ok {
			t.Errorf("%s %s on %s %v: %v", tt.role, tt.Action, tt.Resource, tt.Context, err)
		}
	}
	// The endpoint's policy refuses what a role would allow.
	d.Roles["setsecret"].Policies[0].Statement[0].Action = Strings{"secretsmanager:DeleteSecret"}
	if err := d.May("setsecret", Request{Action: "secretsmanager:DeleteSecret", Resource: secret("prod/app")}); err == nil || !strings.Contains(err.Message, "because no VPC endpoint policy allows the secretsmanager:DeleteSecret action") {
		t.Errorf("got %v", err)
	}
	for name, err := range map[string]*wire.Error{
		"the rule of somebody else":        d.Assume("rotate-now", "events.amazonaws.com", "arn:aws:events:us-east-1:999999999999:rule/tumbler-rotate-now"),
		"another service":                  d.Assume("plan", "ec2.amazonaws.com", ""),
		"the queue, from another rule":     d.ServiceMay("events.amazonaws.com", ARN("events", "rule/other"), Request{Action: "sqs:SendMessage", Resource: ARN("sqs", "tumbler-undelivered")}),
		"the rotator, by another secret":   d.ServiceInvokes(ARN("lambda", "function:tumbler-rotator"), "secretsmanager.amazonaws.com", secret("prod/other")),
		"the rotator, by another service":  d.ServiceInvokes(ARN("lambda", "function:tumbler-rotator"), "events.amazonaws.com", secret("prod/app")),
		"an operation that is not known":   d.Authorize("plan", wire.Call{Service: "secretsmanager", Operation: "DeleteSecret"}, nil),
		"a service without an endpoint":    d.May("setsecret", Request{Action: "sns:Publish", Resource: d.Topic}),
		"the topic's key, by other means":  d.May("audit", Request{"kms:Decrypt", d.Key, via(secretsManager, "")}),
		"a role that there is not":         d.May("nobody", Request{Action: "secretsmanager:ListSecrets", Resource: "*"}),
		"the topic, from somebody's alarm": d.ServiceMay("cloudwatch.amazonaws.com", ARN("cloudwatch", "alarm:other"), Request{Action: "sns:Publish", Resource: d.Topic}),
	} {
		if err == nil {
			t.Errorf("%s is allowed", name)
		}
	}
}
