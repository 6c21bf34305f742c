//go:build unix && !linux

package dbserver

import "syscall"

// dieWithParent does nothing: the watchdog stops the server when we die.
func dieWithParent(*syscall.SysProcAttr) {}
