// Package demo tells how Tumbler works, on a real database and the sandbox: a
// rotation under the eyes of an application that logs in all the while, and one
// that fails half-way and is put right. Every claim it makes is checked.
package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tumbler-rotation/tumbler/internal/aws/secretsmgr"
	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/counted"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
	sandboxsns "github.com/tumbler-rotation/tumbler/sandbox/sns"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// secretID and user are the story's characters.
const (
	secretID = "shop/database"
	user     = "shop_app"
)

// ErrClaim is returned when something the demo claims did not hold.
var ErrClaim = errors.New("a claim of the demo did not hold: see the line marked ✗ above")

// Run tells the story on out. It returns ErrClaim if a claim did not hold.
func Run(ctx context.Context, out io.Writer) error {
	d := &demo{out: terminal.New(out), began: time.Now(), calls: map[string]int{}}
	defer d.close()
	for _, chapter := range []func(context.Context) error{
		d.setUp, d.rotate, d.fail, d.rotateAgain, d.summary,
	} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	if d.broken {
		return ErrClaim
	}
	return nil
}

// demo is the story's state.
type demo struct {
	out    *terminal.Printer
	began  time.Time
	broken bool // a claim did not hold

	database *dbserver.Server
	engine   engine.Engine
	sandbox  *sandbox.Sandbox
	secrets  rotation.ValueReader // as the application sees them
	states   *sfn.Client
	app      *application

	log       bytes.Buffer // of the functions; guarded by slog's handler
	passwords []redact.String
	gap       string
	counter   *counted.Counter // of the functions' logins
	logins    counted.Logins   // of the first rotation

	mu     sync.Mutex
	alerts []sandboxsns.Message
	calls  map[string]int // Secrets Manager operations of the first rotation
	count  bool
}

// claim checks one, says so, and remembers a failure.
func (d *demo) claim(held bool, format string, args ...any) {
	d.out.Check(held, format, args...)
	d.broken = d.broken || !held
}

func (d *demo) setUp(ctx context.Context) (err error) {
	d.out.Heading("1. A database, a user, and the secret that applications read")
	d.database, err = dbserver.StartPostgres(ctx, dbserver.Postgres{
		Settings: map[string]string{"log_statement": "all", "log_connections": "on"},
	})
	if err != nil {
		return err
	}
	d.engine = all.Engines["postgres"]
	engines, counter := counted.Wrap(all.Engines)
	d.counter = counter
	d.sandbox, err = sandbox.Start(ctx, sandbox.Config{
		Engines: engines,
		Log:     slog.New(slog.NewJSONHandler(&d.log, nil)),
		OnAlert: d.onAlert,
		Observe: d.onCall,
	})
	if err != nil {
		return err
	}
	client := d.sandbox.AWS("application")
	api := secretsmanager.NewFromConfig(client)
	d.secrets = secretsmgr.New(api)
	d.states = sfn.NewFromConfig(d.sandbox.AWS("operator"))
	d.out.Say("PostgreSQL %s listens on %s:%d (a real server).", d.database.Version, d.database.Host, d.database.Port)
	d.out.Say("Secrets Manager, Step Functions, SNS and EventBridge answer at %s.", d.sandbox.URL)

	password, err := d.createUser(ctx)
	if err != nil {
		return err
	}
	document := fmt.Sprintf(`{"engine":"postgres","host":%q,"port":%d,"username":%q,"password":%q,"dbname":"postgres"}`,
		d.database.Host, d.database.Port, user, password.Reveal())
	_, err = api.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String(secretID), SecretString: &document})
	if err != nil {
		return err
	}
	d.out.Say("Role %s was created, and its password stored as secret %s.", user, secretID)

	d.app = &application{secrets: d.secrets, databases: all.Engines, secretID: secretID}
	d.app.start(ctx)
	d.out.Say("An application reads AWSCURRENT and logs in with it, again and again, until the end.")
	return nil
}

// rotate is the good case.
func (d *demo) rotate(ctx context.Context) error {
	d.out.Heading("2. The password is rotated")
	before, err := d.password(ctx)
	if err != nil {
		return err
	}
	d.countCalls(true)
	ending, err := d.run(ctx)
	d.countCalls(false)
	d.logins = d.counter.Take()
	if err != nil {
		return err
	}
	d.gap = gapOf(ending)
	after, err := d.password(ctx)
	if err != nil {
		return err
	}
	tally := d.app.since()
	d.claim(ending.State == string(rotation.Rotated), "the execution ended in Rotated")
	d.claim(!after.Equal(before), "AWSCURRENT is another password")
	d.claim(d.refuses(ctx, before), "the database refuses the old password")
	d.claim(d.accepts(ctx, after), "the database accepts the new password")
	d.claim(tally.Accepted > 0 && tally.Other == nil, "the application logged in %d times meanwhile (refused for %s, during the switch)",
		tally.Accepted, terminal.Duration(tally.LongestGap))
	return nil
}

// fail takes a permission away from one function after it has shown that it is ready,
// so that the rotation fails when the database has the new password: the worst moment.
func (d *demo) fail(ctx context.Context) error {
	d.out.Heading("3. A rotation fails half-way: somebody takes a permission away while it runs")
	before, err := d.password(ctx)
	if err != nil {
		return err
	}
	d.sandbox.Intercept(wire.AfterFirst(func(_ context.Context, call wire.Call) *wire.Failure {
		if call.Caller.AccessKeyID == "finishsecret" && call.Operation == "UpdateSecretVersionStage" {
			return &wire.Failure{Err: wire.Errorf("AccessDeniedException",
				"User: finishsecret is not authorized to perform: secretsmanager:UpdateSecretVersionStage")}
		}
		return nil
	}))
	ending, err := d.run(ctx)
	d.sandbox.Intercept(nil)
	if err != nil {
		return err
	}
	after, err := d.password(ctx)
	if err != nil {
		return err
	}
	tally := d.app.since()
	d.claim(ending.State == string(rotation.RestoredCleanly), "the execution ended in RestoredCleanly")
	d.claim(ending.Error == "AccessDenied", "with the error that started it: %s", ending.Error)
	d.claim(after.Equal(before), "AWSCURRENT is what it was")
	d.claim(d.accepts(ctx, after), "the database accepts it: Restore has set it back")
	d.claim(!d.hasPending(ctx), "nothing is left AWSPENDING")
	d.claim(tally.Accepted > 0 && tally.Other == nil, "the application logged in %d times meanwhile (refused for %s, until the restore)",
		tally.Accepted, terminal.Duration(tally.LongestGap))

	alert, err := d.lastAlert()
	if err != nil {
		return err
	}
	d.out.Say("")
	d.out.Say("The alert, as the person on call gets it (severity %s):", alert.Attributes["severity"].StringValue)
	d.out.Quote(alert.Subject + "\n\n" + alert.Body)
	return nil
}

// rotateAgain shows that the failure left nothing behind.
func (d *demo) rotateAgain(ctx context.Context) error {
	d.out.Heading("4. The permission is back: rotate again")
	ending, err := d.run(ctx)
	if err != nil {
		return err
	}
	after, err := d.password(ctx)
	if err != nil {
		return err
	}
	d.claim(ending.State == string(rotation.Rotated), "the execution ended in Rotated")
	d.claim(d.accepts(ctx, after), "the database accepts AWSCURRENT")
	return nil
}

func (d *demo) close() {
	if d.app != nil {
		d.app.close()
	}
	if d.sandbox != nil {
		d.sandbox.Close()
	}
	if d.database != nil {
		d.database.Stop()
	}
}
