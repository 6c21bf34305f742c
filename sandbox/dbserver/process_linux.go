package dbserver

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

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

// processorTime is what a process and its children that ended have used, in the
// kernel's own words: proc(5), the fields utime to cstime of its stat.
func processorTime(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the command's name may hold spaces
	fields := strings.Fields(rest)
	if len(fields) < 15 {
		return ""
	}
	return strings.Join(fields[11:15], " ")
}
