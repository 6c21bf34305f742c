package rotation

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/constructs-go/constructs/v10"
)

// plain converts the props, with the CDK constructs in them, to the values of a
// configuration file, which are then checked like one.
func (p *RotationProps) plain() (any, error) {
	made := struct {
		*RotationProps
		Rotations     []*SecretProps           `json:"rotations,omitempty"`
		Networks      map[string]*NetworkProps `json:"networks,omitempty"`
		RemovalPolicy string                   `json:"removalPolicy,omitempty"`
	}{RotationProps: p, Networks: map[string]*NetworkProps{}}
	switch p.RemovalPolicy {
	case "":
	case awscdk.RemovalPolicy_DESTROY:
		made.RemovalPolicy = "destroy"
	case awscdk.RemovalPolicy_RETAIN, awscdk.RemovalPolicy_RETAIN_ON_UPDATE_OR_DELETE:
		made.RemovalPolicy = "retain"
	default:
		return nil, fmt.Errorf("field RemovalPolicy is %s: use RETAIN or DESTROY", p.RemovalPolicy)
	}
	if p.Rotations != nil {
		for i, s := range *p.Rotations {
			plain, err := s.plain(fmt.Sprintf("Rotations[%d]", i))
			if err != nil {
				return nil, err
			}
			made.Rotations = append(made.Rotations, plain)
		}
	}
	if p.Networks != nil {
		for name, n := range *p.Networks {
			made.Networks[name] = n.plain()
		}
	}
	return made, nil
}

func (s *SecretProps) plain(field string) (*SecretProps, error) {
	plain := *s
	var err error
	if s.FromSecret != nil {
		if s.Secret != nil {
			return nil, fmt.Errorf("fields %s.Secret and FromSecret are both given: keep one of the two", field)
		}
		if plain.Secret, err = named(s.FromSecret, field+".FromSecret"); err != nil {
			return nil, err
		}
		plain.KmsKeyArn = keyOf(s.KmsKeyArn, s.FromSecret.EncryptionKey())
	}
	if s.EncryptionKey != nil {
		plain.KmsKeyArn = s.EncryptionKey.KeyArn()
	}
	if s.FromSuperuserSecret != nil {
		if s.SuperuserSecret != nil {
			return nil, fmt.Errorf("fields %s.SuperuserSecret and FromSuperuserSecret are both given: keep one of the two", field)
		}
		if plain.SuperuserSecret, err = named(s.FromSuperuserSecret, field+".FromSuperuserSecret"); err != nil {
			return nil, err
		}
		plain.SuperuserKmsKeyArn = keyOf(s.SuperuserKmsKeyArn, s.FromSuperuserSecret.EncryptionKey())
	}
	return &plain, nil
}

func keyOf(given *string, key awskms.IKey) *string {
	if given == nil && key != nil {
		return key.KeyArn()
	}
	return given
}

// named is the secret's name at synthesis: the complete ARN or name by which it was
// imported, or the name with which it is created.
func named(secret awssecretsmanager.ISecret, field string) (*string, error) {
	known := func(s *string) bool { return s != nil && !*awscdk.Token_IsUnresolved(s) }
	if arn := secret.SecretFullArn(); known(arn) {
		return arn, nil
	}
	// A secret that is attached to a database is a child of the secret itself.
	for _, node := range []constructs.Node{secret.Node(), secret.Node().Scope().Node()} {
		if created, ours := node.DefaultChild().(awssecretsmanager.CfnSecret); ours && known(created.Name()) {
			return created.Name(), nil
		}
	}
	if name := secret.SecretName(); known(name) {
		return name, nil
	}
	return nil, fmt.Errorf("field %s is a secret without a name of its own, and its schedule is named after it: give it a SecretName", field)
}

func (n *NetworkProps) plain() *NetworkProps {
	plain := *n
	if n.Vpc != nil {
		plain.VpcId = n.Vpc.VpcId()
		if n.SubnetIds == nil {
			plain.SubnetIds = n.Vpc.SelectSubnets(n.VpcSubnets).SubnetIds
		}
	}
	add := func(to *[]*string, ids ...*string) *[]*string {
		if to == nil {
			to = &[]*string{}
		}
		list := append(append([]*string{}, *to...), ids...)
		return &list
	}
	if n.SecurityGroups != nil {
		for _, group := range *n.SecurityGroups {
			plain.SecurityGroupIds = add(plain.SecurityGroupIds, group.SecurityGroupId())
		}
	}
	if n.Databases != nil {
		for _, database := range *n.Databases {
			for _, group := range *database.Connections().SecurityGroups() {
				plain.DatabaseSecurityGroupIds = add(plain.DatabaseSecurityGroupIds, group.SecurityGroupId())
			}
		}
	}
	return &plain
}
