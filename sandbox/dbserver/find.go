package dbserver

import (
	"os"
	"path/filepath"
)

// findAbove looks for a path that fits below the working directory, below the
// directory of this program, and below all above them. It returns "" if there
// is none.
func findAbove(name string, fits func(path string) bool) string {
	var starts []string
	if dir, err := os.Getwd(); err == nil {
		starts = append(starts, dir)
	}
	if exe, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(exe))
	}
	for _, dir := range starts {
		for {
			if path := filepath.Join(dir, name); fits(path) {
				return path
			}
			parent := filepath.Dir(dir)
			if parent == dir {
				break
			}
			dir = parent
		}
	}
	return ""
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// has accepts directories with the file in them.
func has(file ...string) func(dir string) bool {
	return func(dir string) bool { return isFile(filepath.Join(append([]string{dir}, file...)...)) }
}
