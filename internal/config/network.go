package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

var (
	networkPattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,15}$`)
	vpcPattern     = regexp.MustCompile(`^vpc-[0-9a-f]{8,17}$`)
	subnetPattern  = regexp.MustCompile(`^subnet-[0-9a-f]{8,17}$`)
	groupPattern   = regexp.MustCompile(`^sg-[0-9a-f]{8,17}$`)
)

// NoVPC is the name of the set of functions outside any VPC, if other sets are in one.
const NoVPC = "no-vpc"

// mostGroups is the maximum number of security groups of a function, not counting its own.
// Source: Lambda API reference, "VpcConfig".
const mostGroups = 4

// Set is the rotations that share a network and therefore a set of functions: a Lambda
// function is in one VPC only.
type Set struct {
	// Name is appended to the deployment's name; "" for the main set.
	Name      string
	Network   *Network
	Rotations []Rotation
}

// Sets divides the rotations by network: the main set first, the others by name. The main
// network is that of the defaults, or else the only one. The result does not depend on the
// order of the rotations.
func (cfg *Config) Sets() []Set {
	sets := []Set{{Network: cfg.mainNetwork()}}
next:
	for _, r := range cfg.Rotations {
		for i := range sets {
			if sets[i].Network.same(r.Network) {
				sets[i].Rotations = append(sets[i].Rotations, r)
				continue next
			}
		}
		name := NoVPC
		if r.Network != nil {
			name = r.Network.Name
		}
		sets = append(sets, Set{Name: name, Network: r.Network, Rotations: []Rotation{r}})
	}
	slices.SortFunc(sets[1:], func(a, b Set) int { return strings.Compare(a.Name, b.Name) })
	return sets
}

func (cfg *Config) mainNetwork() *Network {
	if n := cfg.Defaults.Network; n != nil {
		if n.Name == None {
			return nil
		}
		return n
	}
	if len(cfg.Rotations) == 0 {
		return nil
	}
	return cfg.Rotations[0].Network
}

// same reports whether two networks are equal, apart from their names.
func (n *Network) same(other *Network) bool {
	if n == nil || other == nil {
		return n == other
	}
	a, b := *n, *other
	a.Name, b.Name = "", ""
	return reflect.DeepEqual(a, b)
}

// networksHaveNames refuses several networks of which one has no name, because functions
// are named after their network.
func (c *checker) networksHaveNames(cfg *Config) {
	for i, r := range cfg.Rotations {
		if n := r.Network; n != nil && n.Name == "" && !n.same(cfg.mainNetwork()) {
			c.problem(fmt.Sprintf("rotations[%d].network", i), "differs from the main network, and has no name",
				"write it under networks and refer to it by its name, after which its functions are named")
		}
	}
}

// checkMainNetwork refuses several networks without a default. Otherwise the order of the
// rotations would decide which one has the deployment's name, and reordering would replace
// its resources.
func (c *checker) checkMainNetwork(cfg *Config) {
	sets := cfg.Sets()
	others := make([]string, 0, len(sets))
	for _, set := range sets[1:] {
		name := set.Name
		if name == NoVPC {
			name = None
		}
		others = append(others, name)
	}
	switch {
	case len(others) == 0 || len(cfg.Rotations) == 0:
	case cfg.Defaults.Network == nil:
		name := None
		if n := sets[0].Network; n != nil {
			name = n.Name
		}
		c.problem("rotations", fmt.Sprintf("are in several networks (%s), and none of them is the default", strings.Join(append([]string{name}, others...), ", ")),
			fmt.Sprintf("write defaults: {network: %s}: that one has the deployment's own name, whatever is listed first. A rotation without a network then takes it, unless it says network: none", name))
	case len(sets[0].Rotations) == 0:
		c.problem("defaults.network", "no rotation is in it", "write defaults: {network: "+others[0]+"}: the default has the deployment's own name")
	}
}

// checkDistinguishable refuses names in different networks that an event pattern cannot
// distinguish: EventBridge's wildcard for the six characters at the end of an ARN also
// matches the rest of a longer name. The main workflow only gets events that the others do
// not match, so its names do not matter.
func (c *checker) checkDistinguishable(cfg *Config) {
	sets := cfg.Sets()
	if len(sets) == 1 || !cfg.RotateNow.Enabled {
		return
	}
	in := map[string]int{} // set, by name
	for i, set := range sets {
		for _, r := range set.Rotations {
			in[SecretName(r.Secret)] = i
		}
	}
	byARN := map[string]bool{}
	for _, r := range cfg.Rotations {
		byARN[SecretName(r.Secret)] = IsARN(r.Secret)
	}
	for i, r := range cfg.Rotations {
		name := SecretName(r.Secret)
		for end, char := range name {
			shorter := name[:end]
			if of, known := in[shorter]; char == '-' && known && of != 0 && of != in[name] && !byARN[shorter] {
				c.problem(fmt.Sprintf("rotations[%d].secret", i), fmt.Sprintf("begins with %q of another network, and an event that names it by ARN would reach that one", shorter+"-"),
					fmt.Sprintf("write the complete ARN of %s instead of its name, or rotateNow: {enabled: false}", shorter))
			}
		}
	}
}

func (c *checker) namedNetwork(name string, n *Network) {
	field := "networks." + name
	if !networkPattern.MatchString(name) || name == None || name == NoVPC {
		c.problem(field, fmt.Sprintf("%q is no name for a network", name), "use 1-16 small letters, digits and hyphens, a letter first, and neither none nor "+NoVPC)
	}
	switch {
	case n == nil:
	case n.Name != "":
		c.problem(field, fmt.Sprintf("is the text %q but must be a network", n.Name), "write vpc and subnets in it")
	default:
		c.checkNetwork(field, n)
	}
}

func (c *checker) checkNetwork(field string, n *Network) {
	switch byTags := len(n.VPCTags) > 0; {
	case n.VPC == "" && !byTags:
		c.problem(field, "field vpc is missing", "add the id of the database's VPC, such as vpc-0a1b2c3d4e5f60718, or vpcTags that find it")
	case n.VPC != "" && byTags:
		c.problem(field+".vpcTags", "there is a vpc, too", "keep one of the two")
	case !byTags:
		c.match(field+".vpc", n.VPC, vpcPattern, "write the id of a VPC, such as vpc-0a1b2c3d4e5f60718")
	}
	if len(n.Subnets) == 0 && len(n.VPCTags) == 0 {
		c.problem(field, "there are no subnets", "add the ids of subnets from which the database can be reached, best in two Availability Zones")
	}
	c.ids(field+".subnets", n.Subnets, subnetPattern, "write the id of a subnet, such as subnet-0a1b2c3d4e5f60718")
	for name, groups := range map[string][]string{
		"securityGroups": n.SecurityGroups, "databaseSecurityGroups": n.DatabaseSecurityGroups, "endpointSecurityGroups": n.EndpointSecurityGroups,
	} {
		c.ids(field+"."+name, groups, groupPattern, "write the id of a security group, such as sg-0a1b2c3d4e5f60718")
	}
	if len(n.SecurityGroups) > mostGroups {
		c.problem(field+".securityGroups", fmt.Sprintf("there are %d, and one is added", len(n.SecurityGroups)), fmt.Sprintf("list at most %d: a function can have five", mostGroups))
	}
	for i, port := range n.DatabasePorts {
		if port < 1 || port > 65535 {
			c.problem(fmt.Sprintf("%s.databasePorts[%d]", field, i), fmt.Sprintf("%d is no port", port), "use 1 to 65535, such as 5432")
		}
	}
	c.endpoints(field, n)
}

func (c *checker) endpoints(field string, n *Network) {
	c.oneOf(field+".endpoints", string(n.Endpoints), string(NoEndpoints), string(CreateEndpoints), string(ReuseEndpoints))
	switch reuse := n.Endpoints == ReuseEndpoints; {
	case reuse && len(n.EndpointSecurityGroups) == 0:
		c.problem(field+".endpoints", "reuse needs the security groups of the endpoints", "add endpointSecurityGroups, or write none when the endpoints let in the whole VPC already")
	case !reuse && len(n.EndpointSecurityGroups) > 0:
		c.problem(field+".endpointSecurityGroups", "are of endpoints that exist", "write endpoints: reuse, or remove them")
	}
}

func (c *checker) ids(field string, ids []string, pattern *regexp.Regexp, remedy string) {
	for i, id := range ids {
		c.match(fmt.Sprintf("%s[%d]", field, i), id, pattern, remedy)
	}
	c.checkDuplicates(field, ids)
}
