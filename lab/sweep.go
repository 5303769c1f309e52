package lab

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Sweep removes what a killed run left on the host: processes, mounts, network
// namespaces, files, and a changed key hook. It knows them by Prefix and
// leaves the labs of this process alone. The caller holds Lock, so
// nobody else's lab is running.
func Sweep() error {
	return errors.Join(sweepProcesses(), sweepMounts(), sweepNetns(), sweepEtc(), sweepHook(), sweepTemp())
}

// ours says whether the name belongs to an open lab of this process.
func ours(name string) bool {
	labsMu.Lock()
	defer labsMu.Unlock()
	return slices.ContainsFunc(labs, func(l *Lab) bool { return name == l.name || strings.HasPrefix(name, l.name+"-") })
}

func leftover(name string) bool { return strings.HasPrefix(name, Prefix) && !ours(name) }

// sweepHook also removes the overlays' files and upcalld's directory. They
// belong to an open lab, if there is one.
func sweepHook() error {
	if anyOpen() {
		return nil
	}
	return errors.Join(restoreHook(), removeRuntimeDir(), os.RemoveAll(scratchDir))
}

// sweepMounts detaches files that were laid over the host's, and FUSE files.
func sweepMounts() error {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	defer f.Close()
	var errs []error
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text()) // proc_pid_mountinfo(5): 4 root, 5 mount point
		if len(fields) < 5 {
			continue
		}
		over := strings.Contains(fields[3], "/"+Prefix+"scratch/")
		inEtc := strings.HasPrefix(fields[4], etcNetns+"/"+Prefix) && leftover(filepath.Base(filepath.Dir(fields[4])))
		fuse := strings.Contains(lines.Text(), " - fuse "+fuseSource+" ")
		if ((over || fuse) && !anyOpen()) || inEtc {
			errs = append(errs, unix.Unmount(fields[4], unix.MNT_DETACH))
		}
	}
	return errors.Join(errs...)
}

func anyOpen() bool {
	labsMu.Lock()
	defer labsMu.Unlock()
	return len(labs) > 0
}

func sweepNetns() error {
	return eachLeftover(netnsDir, func(name string) error { return Netns{name}.delete() })
}

func sweepEtc() error {
	return eachLeftover(etcNetns, func(name string) error { return removeEtc(filepath.Join(etcNetns, name), true) })
}

func eachLeftover(dir string, do func(name string) error) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, e := range entries {
		if leftover(e.Name()) {
			errs = append(errs, do(e.Name()))
		}
	}
	return errors.Join(errs...)
}
