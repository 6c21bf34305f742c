//go:build !unix

package dbserver

import (
	"errors"
	"os"
	"syscall"
)

var errPlatform = errors.New("database servers can be started on Linux and macOS only: on Windows use WSL")

type account struct{ uid, gid int }

func serverAccount() (*account, error) { return nil, errPlatform }

func (a *account) own(string) error                  { return nil }
func (a *account) canEnter(string) bool              { return true }
func serverAttributes(*account) *syscall.SysProcAttr { return nil }
func interrupt(p *os.Process) error                  { return p.Kill() }

func lock(string) (func(), error) { return nil, errPlatform }

type watchdog struct{}

func startWatchdog(string) (*watchdog, error) { return nil, errPlatform }
func (w *watchdog) watch(int) error           { return nil }
func (w *watchdog) stop()                     {}
