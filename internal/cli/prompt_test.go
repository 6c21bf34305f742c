package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"
)

// Ctrl-C ends the asking, wherever it is, and nothing is written or begun.
func TestCtrlCAtAQuestion(t *testing.T) {
	in, typing := io.Pipe()
	defer typing.Close()
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, stop)
	var out bytes.Buffer
	ended := make(chan error, 2)
	go func() { ended <- ask(ctx, in, &out, 43) }()
	go func() { ended <- (&answers{}).ask(ctx, in, io.Discard) }()
	for range 2 {
		select {
		case err := <-ended:
			if !errors.Is(err, errInterrupted) {
				t.Errorf("got %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("it still waits for an answer")
		}
	}
}
