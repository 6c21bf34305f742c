package dbserver

import "syscall"

// dieWithParent has the kernel stop the server when we die: the watchdog does
// the same everywhere, but could be killed together with us.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }
