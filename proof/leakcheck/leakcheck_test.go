package leakcheck

import (
	"strings"
	"testing"
	"time"
)

func TestFind(t *testing.T) {
	end := make(chan struct{})
	go leaked(end)
	if err := find(time.Second); err == nil || !strings.Contains(err.Error(), "leakcheck.leaked") {
		t.Errorf("got %v, want the goroutine that still runs", err)
	}
	time.AfterFunc(2*time.Second, func() { close(end) })
	if err := find(time.Minute); err != nil {
		t.Errorf("a goroutine that ends late was not waited for: %v", err)
	}
}

func leaked(end chan struct{}) { <-end }
