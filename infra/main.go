// Command infra is the CDK app that deploys Tumbler: `npx cdk deploy` in the
// repository's root runs it. It deploys what rotations.yaml configures, or another
// file given by `-c config=FILE` or TUMBLER_CONFIG.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/infra/rotation"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// requireNode must be called before the first use of CDK, which panics without Node.
func requireNode() error {
	if os.Getenv("JSII_NODE") != "" {
		return nil
	}
	if _, err := exec.LookPath("node"); err != nil {
		return errors.New("node is not installed, and CDK runs on it: install Node 20 or later, then run `npm ci`")
	}
	return nil
}

// synthesisTime is SOURCE_DATE_EPOCH (reproducible-builds.org) if it is set, or else
// the clock. The template of a rate depends on it: a rate begins at its next window.
func synthesisTime(epoch string) (func() time.Time, error) {
	if epoch == "" {
		return time.Now, nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("SOURCE_DATE_EPOCH is %q: give seconds since 1970, or unset it", epoch)
	}
	return func() time.Time { return time.Unix(seconds, 0).UTC() }, nil
}

func run() error {
	if err := requireNode(); err != nil {
		return err
	}
	defer jsii.Close()
	if len(os.Args) == 3 && os.Args[1] == "plain" { // for make release, which has built the functions
		return plain(os.Args[2], rotation.Options{})
	}
	app := awscdk.NewApp(&awscdk.AppProps{AnalyticsReporting: jsii.Bool(false)})
	file, _ := app.Node().TryGetContext(jsii.String("config")).(string)
	cfg, env, err := loadConfig(file, os.Getenv("TUMBLER_CONFIG"), os.Stderr)
	if err != nil {
		return err
	}
	now, err := synthesisTime(os.Getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return err
	}
	if err := rotation.BuildFunctions("", string(cfg.Architecture)); err != nil {
		return err
	}
	stack, err := newStack(app, cfg, env, rotation.Options{Now: now})
	if err != nil {
		return err
	}
	if source := describeSource(); source != "" {
		awscdk.NewCfnOutput(stack, jsii.String("Source"), &awscdk.CfnOutputProps{
			Value: &source, Description: jsii.String("What this was deployed from; make rollback goes back to an earlier one"),
		})
	}
	app.Synth(nil)
	return nil
}
