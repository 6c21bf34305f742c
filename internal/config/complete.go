package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// complete puts the defaults into the rotations, and replaces the names of networks by the
// networks. Values from the defaults keep their position there, for errors.
func (c *checker) complete(cfg *Config) {
	if c.given("defaults.secret") {
		c.problem("defaults.secret", fmt.Sprintf("%q cannot be the default of every rotation", cfg.Defaults.Secret), "remove it, and name each secret under rotations")
	}
	for name, n := range cfg.Networks {
		c.endpointsDefault("networks."+name, n)
	}
	if n := cfg.Defaults.Network; n != nil {
		c.network("defaults.network", n, cfg.Networks)
	}
	for i := range cfg.Rotations {
		r, field := &cfg.Rotations[i], fmt.Sprintf("rotations[%d]", i)
		c.inherit(field, r, &cfg.Defaults)
		if r.Schedule == None || r.Schedule == "" && !c.given(field+".schedule") {
			c.onDemand(field, r)
		}
		if r.Network != nil && !c.inherited(field+".network") {
			c.network(field+".network", r.Network, cfg.Networks)
		}
		if r.Network != nil && r.Network.Name == None {
			r.Network = nil
		}
		if r.Strategy == "" && !c.given(field+".strategy") {
			r.Strategy = SingleUser
		}
	}
}

// network replaces a network's name by the network.
func (c *checker) network(field string, n *Network, known map[string]*Network) {
	if n.Name == "" || n.Name == None {
		c.endpointsDefault(field, n)
		return
	}
	if named, ok := known[n.Name]; ok {
		if named != nil {
			name := n.Name
			*n = *named
			n.Name = name
		}
		return
	}
	remedy := "write it under networks, or give vpc and subnets here"
	if names := sortedKeys(known); len(names) > 0 {
		remedy = suggest(n.Name, append(names, None)) + " Networks are written under networks"
	}
	c.problem(field, fmt.Sprintf("there is no network %q", n.Name), remedy)
	n.Name = None
}

func (c *checker) endpointsDefault(field string, n *Network) {
	if n != nil && n.Name == "" && !c.given(field+".endpoints") {
		n.Endpoints = NoEndpoints
	}
}

// inherit copies the fields that the rotation does not give.
func (c *checker) inherit(field string, r, from *Rotation) {
	dst, src := reflect.ValueOf(r).Elem(), reflect.ValueOf(from).Elem()
	for i, name := range fieldNames(dst.Type()) {
		if name == "secret" || c.given(field+"."+name) || !c.given("defaults."+name) {
			continue
		}
		value := src.Field(i)
		if n, ok := value.Interface().(*Network); ok && n != nil {
			value = reflect.ValueOf(new(*n)) // a copy, since each may still be changed
		}
		dst.Field(i).Set(value)
		for _, at := range c.below("defaults." + name) {
			own := field + strings.TrimPrefix(at, "defaults")
			c.at[own], c.from[own] = c.at[at], at
			c.note(own)
		}
	}
}

// onDemand removes inherited fields that need a schedule from a rotation without one.
func (c *checker) onDemand(field string, r *Rotation) {
	r.Schedule = ""
	forget := func(name string) bool {
		if name != "schedule" && !c.inherited(field+"."+name) {
			return false
		}
		for _, at := range c.below(field + "." + name) {
			delete(c.at, at)
		}
		return true
	}
	forget("schedule")
	if forget("duration") {
		r.Duration = ""
	}
	if forget("flexibleStart") {
		r.FlexibleStart = ""
	}
	if forget("freeze") {
		r.Freeze = nil
	}
}

// inherited reports whether a field's value comes from the defaults.
func (c *checker) inherited(field string) bool {
	_, ok := c.from[field]
	return ok
}

// below lists the field and the fields in it that have a position.
func (c *checker) below(field string) []string {
	if c.roots == nil {
		c.roots = map[string][]string{}
		for at := range c.at {
			c.note(at)
		}
	}
	var fields []string
	for _, at := range c.roots[root(field)] {
		if _, there := c.at[at]; !there {
			continue
		}
		if at == field || strings.HasPrefix(at, field+".") || strings.HasPrefix(at, field+"[") {
			fields = append(fields, at)
		}
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}

// note groups fields by rotation: searching the fields of thousands of rotations for each
// of them would take minutes.
func (c *checker) note(field string) {
	if c.roots != nil {
		c.roots[root(field)] = append(c.roots[root(field)], field)
	}
}

func root(field string) string {
	first, _, _ := strings.Cut(field, ".")
	return first
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
