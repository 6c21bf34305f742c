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

// A statement whose client has gone goes on waiting for its locks, and when they
// are free it does not matter to the server who asked first: seen on MySQL 5.6
// and 9.7, where the later of two ALTER USER was the first to be carried out. So
// whoever changes an account takes a turn: a lock by the user's name that the
// server gives to one session at a time (GET_LOCK, to which everybody has a
// right) and that outlasts the client for as long as the statement does.

const (
	// turnIdle is after how many seconds the server ends a session that has its
	// turn and says nothing: its client is dead, and must not hold the others up.
	turnIdle = 2

	// turnWait is for how many seconds a session waits for its turn: for a
	// statement that is as late as can be, and for its session to be ended.
	turnWait = int(engine.LateBound/time.Second) + turnIdle
)

func turnName(user string) string {
	sum := sha256.Sum256([]byte(user))
	return "tumbler." + hex.EncodeToString(sum[:16]) // 64 characters is the limit
}

// inTurn runs what changes a user's accounts when nobody else of us does.
func (s *session) inTurn(ctx context.Context, user string, change func() error) error {
	if err := s.takeTurn(ctx, user); err != nil {
		return err
	}
	// A session that is lost loses its turn as well.
	defer func() { _ = s.exec(ctx, endTurnSQL(turnName(user))) }()
	return change()
}

// takeTurn prepares the session, too: by one statement, if nobody has the turn.
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
