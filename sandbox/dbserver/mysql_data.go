package dbserver

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// firstLoginName is the file of statements that the server runs when it starts.
const firstLoginName = "first-login.sql"

// arguments is the server's command line. Settings of the caller come last and
// win.
func (cfg MySQL) arguments(f flavour, prog program, s *MySQLServer) []string {
	args := []string{
		"--no-defaults", "--basedir=" + prog.home, "--datadir=" + filepath.Join(s.Dir, dataName),
		// Not the machine's: each server that starts removes temporary tables there, of
		// whatever server.
		"--tmpdir=" + filepath.Join(s.Dir, dataName),
		"--bind-address=" + s.Host, "--port=" + strconv.Itoa(s.Port),
		// Relative to the data directory: a path may have 107 bytes at most.
		"--socket=mysql.sock", "--pid-file=mysql.pid",
		"--init-file=" + filepath.Join(s.Dir, firstLoginName),
		"--character-set-server=utf8mb4", "--log-output=FILE", "--secure-file-priv=",
		// The data is not meant to survive a crash of the machine.
		"--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0", "--innodb-flush-method=nosync",
		"--performance-schema=OFF", // takes hundreds of megabytes in some versions
	}
	args = append(append(args, f.sizes...), f.arguments...)
	if cfg.GeneralLog {
		args = append(args, "--general-log=1", "--general-log-file="+s.GeneralLogPath)
	}
	if cfg.TLS != nil {
		args = append(args, "--ssl-cert="+filepath.Join(s.Dir, "server.crt"), "--ssl-key="+filepath.Join(s.Dir, "server.key"))
	} else {
		args = append(args, f.noTLS...)
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Settings)) {
		args = append(args, "--"+name+"="+cfg.Settings[name])
	}
	return args
}

// prepareMySQL makes the data directory, unless dir already has one, and the
// files that go with it. It returns the administrator's password.
func prepareMySQL(f flavour, as *account, prog program, dir string, cfg MySQL) (redact.String, error) {
	data, passwordFile := filepath.Join(dir, dataName), filepath.Join(dir, passwordName)
	if !isDir(data) {
		template, err := mysqlTemplate(f, as, prog)
		if err != nil {
			return redact.String{}, err
		}
		if err := os.WriteFile(passwordFile, []byte(rand.Text()), 0o600); err != nil {
			return redact.String{}, err
		}
		if err := fillData(template, data); err != nil {
			return redact.String{}, err
		}
	}
	text, err := os.ReadFile(passwordFile)
	if err != nil {
		return redact.String{}, err
	}
	password := redact.New(string(text))
	first := filepath.Join(dir, firstLoginName)
	if err := os.WriteFile(first, []byte(strings.Join(f.firstLogin(password), ";\n")+";\n"), 0o600); err != nil {
		return redact.String{}, err
	}
	if err := writeCertificate(as, dir, cfg.TLS); err != nil {
		return redact.String{}, err
	}
	return password, errors.Join(as.own(first), as.own(data))
}

// mysqlTemplate returns a directory with a data directory as the server's own
// tools make it. Making one takes seconds, copying it a tenth of one.
func mysqlTemplate(f flavour, as *account, prog program) (string, error) {
	version, err := prog.version()
	if err != nil {
		return "", err
	}
	key := strings.Join(append([]string{version}, f.sizes...), "\x00")
	return cached(as, "mysqldata", key, func(dir string) error {
		data := filepath.Join(dir, dataName)
		if err := os.Mkdir(data, 0o700); err != nil {
			return err
		}
		if err := as.own(data); err != nil {
			return err
		}
		return f.initialise(as, prog, data)
	})
}

// nativeHash is what a server stores for mysql_native_password, and takes
// instead of a password: the general log must not show the administrator's.
func nativeHash(password redact.String) string {
	once := sha1.Sum([]byte(password.Reveal()))
	twice := sha1.Sum(once[:])
	return "*" + strings.ToUpper(hex.EncodeToString(twice[:]))
}
