package awshost_test

import (
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/aws/awshost"
)

func TestNames(t *testing.T) {
	const hash = "c9akciq32rb2"
	for host, want := range map[string]struct{ database, rds bool }{
		"orders." + hash + ".eu-central-1.rds.amazonaws.com":              {true, true},
		"ORDERS." + hash + ".EU-CENTRAL-1.RDS.AMAZONAWS.COM.":             {true, true},
		"shop.cluster-" + hash + ".us-east-1.rds.amazonaws.com":           {true, true},
		"shop.cluster-ro-" + hash + ".us-east-1.rds.amazonaws.com":        {true, true},
		"reports.cluster-custom-" + hash + ".us-east-1.rds.amazonaws.com": {true, true},
		"px.proxy-" + hash + ".ap-southeast-2.rds.amazonaws.com":          {true, true},
		"ro.endpoint.proxy-" + hash + ".ap-southeast-2.rds.amazonaws.com": {true, true},
		"shop.shardgrp-" + hash + ".us-east-1.rds.amazonaws.com":          {true, true},
		"orders." + hash + ".us-gov-west-1.rds.amazonaws.com":             {true, true},
		"orders." + hash + ".rds.us-gov-west-1.amazonaws.com":             {true, true},
		"orders." + hash + ".rds.cn-north-1.amazonaws.com.cn":             {true, true},
		"orders." + hash + ".cn-northwest-1.rds.amazonaws.com.cn":         {true, true},
		"orders." + hash + ".rds.us-iso-east-1.c2s.ic.gov":                {true, true},
		"orders." + hash + ".rds.us-isob-east-1.sc2s.sgov.gov":            {true, true},
		"orders." + hash + ".rds.us-isof-south-1.csp.hci.ic.gov":          {true, true},
		"orders." + hash + ".rds.eu-isoe-west-1.cloud.adc-e.uk":           {true, true},
		"orders." + hash + ".eusc-de-east-1.rds.amazonaws.eu":             {true, true},
		"docs.cluster-" + hash + ".eu-west-1.docdb.amazonaws.com":         {true, true},
		"docs.cluster-" + hash + ".docdb.cn-northwest-1.amazonaws.com.cn": {true, true},
		"docs-111122223333.eu-west-1.docdb-elastic.amazonaws.com":         {true, false},
		"dw." + hash + ".eu-west-1.redshift.amazonaws.com":                {true, false},
		"dw." + hash + ".cn-north-1.redshift.amazonaws.com.cn":            {true, false},
		"wg.111122223333.eu-west-1.redshift-serverless.amazonaws.com":     {true, false},
		"orders." + hash + ".eu-central-1.rds.amazonaws.com.example.com":  {},
		"orders." + hash + ".eu-central-1.rds.amazonaws.com.evil":         {},
		"orders." + hash + ".eu-central-1.rds.example.com":                {},
		"orders." + hash + ".eu-central-1.rds-amazonaws.com":              {},
		"orders." + hash + ".eu-central-1.rdsamazonaws.com":               {},
		"rds.amazonaws.com":                           {},
		"rds.eu-west-1.amazonaws.com":                 {}, // the API
		"eu-west-1.rds.amazonaws.com":                 {},
		"ec2-1-2-3-4.eu-west-1.compute.amazonaws.com": {}, // anybody's machine
		"x.rds.eu-west-1.elb.amazonaws.com":           {}, // anybody's load balancer
		"x.y.rds.s3.eu-west-1.amazonaws.com":          {}, // anybody's bucket
		"x.y.rds.s3.amazonaws.com":                    {},
		"x.y.s3-website.rds.amazonaws.com":            {},
		"db.example.com":                              {},
		"127.0.0.1":                                   {},
		"::1":                                         {},
		"":                                            {},
	} {
		if got := awshost.IsDatabase(host); got != want.database {
			t.Errorf("%s: a database of AWS: %t", host, got)
		}
		if got := awshost.HasRDSCertificate(host); got != want.rds {
			t.Errorf("%s: a certificate of RDS: %t", host, got)
		}
	}
}
