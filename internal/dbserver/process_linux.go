package dbserver

import "syscall"

// dieWithParent has the kernel stop the server when we die: the watchdog does
// the same everywhere, but could be killed together with us.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }

// memoryDir is where Linux keeps shared memory.
const memoryDir = "/dev/shm"

// roomyMemory reports whether dir is a file system in memory with a gigabyte to
// spare. (A container's usually has 64 MB, which would be too little.)
func roomyMemory(dir string) bool {
	const tmpfs, spare = 0x01021994, 1 << 30
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return false
	}
	return fs.Type == tmpfs && fs.Bavail*uint64(fs.Bsize) >= spare
}
