package mysql

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// A statement whose client has gone keeps waiting for its locks, and the server does not
// grant them in the order of the requests: on MySQL 5.6 and 9.7 the later of two ALTER USER
// was seen to run first. So every change of an account takes a turn: a lock named after the
// user, which the server grants to one session at a time (GET_LOCK, which needs no
// privilege) and which outlasts the client for as long as its statement runs.

const (
	// turnIdle is the idle time, in seconds, after which the server ends a session that
	// has a turn: its client is dead and must not block others.
	turnIdle = 2

	// turnWait is how long, in seconds, a session waits for its turn: for the latest
	// possible statement, and for that statement's session to end.
	turnWait = int(engine.LateBound/time.Second) + turnIdle
)

func turnName(user string) string {
	sum := sha256.Sum256([]byte(user))
	return "tumbler." + hex.EncodeToString(sum[:16]) // 64 characters is the limit
}

// inTurn runs a change of a user's accounts while no other rotation changes them.
func (s *session) inTurn(ctx context.Context, user string, change func() error) error {
	if err := s.takeTurn(ctx, user); err != nil {
		return err
	}
	// The turn ends with the session in any case.
	defer func() { _ = s.exec(ctx, endTurnSQL(turnName(user))) }()
	return change()
}

// takeTurn takes the turn and prepares the session: with one statement if the turn is free.
func (s *session) takeTurn(ctx context.Context, user string) error {
	op := fmt.Sprintf("waiting on %s for a turn to change user %q", s.target.Address(), user)
	err := s.exec(ctx, s.server.takeTurnSQL(turnName(user)))
	if err == nil {
		s.prepared = true
		return nil
	}
	if number(err) != errOutOfRange {
		return s.fault(err, op, reading)
	}
	if err := s.exec(ctx, s.server.prepareTurnSQL()); err != nil {
		return s.fault(err, op, reading)
	}
	s.prepared = true
	rows, err := s.queryWithin(ctx, time.Duration(turnWait)*time.Second+answerTimeout, s.server.awaitTurnSQL(turnName(user)))
	if err != nil {
		return s.fault(err, op, reading)
	}
	if len(rows) != 1 || rows[0][0] != "1" {
		return fault.New(fault.DatabaseUnavailable, op+": an earlier change has not come to its end",
			"It is over when the server gives its statement up: look in SHOW PROCESSLIST for what it waits for, and for who holds that lock")
	}
	return nil
}
