package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// errInterrupted is the error for Ctrl-C at a question.
var errInterrupted = errors.New("stopped; nothing was done")

// prompt asks questions until Ctrl-C.
type prompt struct {
	done  <-chan struct{}
	out   io.Writer
	lines chan string // closed at the end of the input
}

func newPrompt(ctx context.Context, in io.Reader, out io.Writer) *prompt {
	p := &prompt{done: ctx.Done(), out: out, lines: make(chan string)}
	go func() { // a read cannot be interrupted: it ends with the process
		defer close(p.lines)
		scanner := bufio.NewScanner(in)
		for scanner.Scan() {
			select {
			case p.lines <- scanner.Text():
			case <-p.done:
				return
			}
		}
	}()
	return p
}

// ask returns the answer, "" at the end of the input, or errInterrupted.
func (p *prompt) ask(question string) (string, error) {
	fmt.Fprint(p.out, question)
	select {
	case answer, more := <-p.lines:
		if !more {
			fmt.Fprintln(p.out)
		}
		return strings.TrimSpace(answer), nil
	case <-p.done:
		fmt.Fprintln(p.out)
		return "", errInterrupted
	}
}
