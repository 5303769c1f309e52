package lab

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// process is one line of the process table.
type process struct {
	pid, parent int
	exe         inode
	arg0        string
}

// inode names a file whatever path a process sees it under: a helper in an
// empty mount namespace has no path to its program.
type inode struct{ dev, ino uint64 }

func inodeOf(path string) inode {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return inode{}
	}
	return inode{st.Dev, st.Ino}
}

// programsIn maps the files of a directory to their names.
func programsIn(dir string) map[inode]string {
	entries, _ := os.ReadDir(dir)
	files := make(map[inode]string)
	for _, e := range entries {
		files[inodeOf(filepath.Join(dir, e.Name()))] = e.Name()
	}
	delete(files, inode{})
	return files
}

// processes lists every process that can be read. One that ends meanwhile is
// left out.
func processes() ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var all []process
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			all = append(all, readProcess(pid))
		}
	}
	return all, nil
}

func readProcess(pid int) process {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	cmdline, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
	arg0, _, _ := strings.Cut(string(cmdline), "\x00")
	stat, _ := os.ReadFile(filepath.Join(dir, "stat"))
	p := process{pid: pid, exe: inodeOf(filepath.Join(dir, "exe")), arg0: arg0}
	// proc_pid_stat(5): "PID (comm) state ppid"; comm may hold anything.
	if i := bytes.LastIndexByte(stat, ')'); i >= 0 {
		if fields := strings.Fields(string(stat[i+1:])); len(fields) > 1 {
			p.parent, _ = strconv.Atoi(fields[1])
		}
	}
	return p
}

// sweepProcesses kills what a killed run's lab had started: requesters whose
// lab is gone, and programs that run from another lab's build directory.
func sweepProcesses() error {
	foreign, err := foreignPrograms()
	all, listErr := processes()
	errs := []error{err, listErr}
	for _, p := range all {
		orphan := p.arg0 == childArg0 && p.parent != os.Getpid() && p.pid != os.Getpid()
		if _, of := foreign[p.exe]; orphan || of {
			errs = append(errs, killOne(p.pid))
		}
	}
	return errors.Join(errs...)
}

func killOne(pid int) error {
	if err := unix.Kill(pid, unix.SIGKILL); !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

func foreignPrograms() (map[inode]string, error) {
	all := make(map[inode]string)
	dirs, err := foreignTemp()
	for _, dir := range dirs {
		for file, name := range programsIn(dir) {
			all[file] = name
		}
	}
	return all, err
}

// tempName is the start of the name of a directory of this process below
// os.TempDir.
func tempName(what string) string {
	return Prefix + what + "-" + strconv.Itoa(os.Getpid()) + "-"
}

// foreignTemp lists the directories there that other labs made.
func foreignTemp() ([]string, error) {
	entries, err := os.ReadDir(os.TempDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var dirs []string
	for _, e := range entries {
		name := e.Name()
		own := strings.HasPrefix(name, tempName("bin")) || strings.HasPrefix(name, tempName("state"))
		if strings.HasPrefix(name, Prefix) && !own {
			dirs = append(dirs, filepath.Join(os.TempDir(), name))
		}
	}
	return dirs, err
}

func sweepTemp() error {
	dirs, err := foreignTemp()
	errs := []error{err}
	for _, dir := range dirs {
		errs = append(errs, os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}

// Program is the path of a program's file.
type Program string

// Running lists the ids of the processes that execute the file that is there now.
func (p Program) Running() []int {
	file := inodeOf(string(p))
	all, _ := processes()
	var pids []int
	for _, proc := range all {
		if proc.exe == file && file != (inode{}) {
			pids = append(pids, proc.pid)
		}
	}
	return pids
}
