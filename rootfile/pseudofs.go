package rootfile

import "golang.org/x/sys/unix"

// pseudo lists, by statfs f_type, the file systems whose files are not stored
// data: a read of one runs kernel code, can block, or tells of the host.
// Numbers that x/sys lacks are from include/uapi/linux/magic.h, or from the
// file system's own source where the header has none.
var pseudo = map[uint32]string{
	unix.PROC_SUPER_MAGIC:     "proc",
	unix.SYSFS_MAGIC:          "sysfs",
	unix.CGROUP_SUPER_MAGIC:   "cgroup",
	unix.CGROUP2_SUPER_MAGIC:  "cgroup2",
	unix.DEBUGFS_MAGIC:        "debugfs",
	unix.TRACEFS_MAGIC:        "tracefs",
	unix.SECURITYFS_MAGIC:     "securityfs",
	unix.BPF_FS_MAGIC:         "bpf",
	unix.EFIVARFS_MAGIC:       "efivarfs",
	unix.PSTOREFS_MAGIC:       "pstore",
	unix.SELINUX_MAGIC:        "selinuxfs",
	unix.SMACK_MAGIC:          "smackfs",
	unix.BINFMTFS_MAGIC:       "binfmt_misc",
	unix.DEVPTS_SUPER_MAGIC:   "devpts",
	unix.NSFS_MAGIC:           "nsfs",
	unix.PID_FS_MAGIC:         "pidfs",
	unix.RDTGROUP_SUPER_MAGIC: "resctrl",
	unix.ANON_INODE_FS_MAGIC:  "anon_inodefs",
	unix.SOCKFS_MAGIC:         "sockfs",
	unix.PIPEFS_MAGIC:         "pipefs",
	unix.AAFS_MAGIC:           "apparmorfs",
	unix.BINDERFS_SUPER_MAGIC: "binder",
	unix.XENFS_SUPER_MAGIC:    "xenfs",
	unix.DEVMEM_MAGIC:         "devmem",
	unix.AUTOFS_SUPER_MAGIC:   "autofs",
	unix.OPENPROM_SUPER_MAGIC: "openpromfs",
	unix.SECRETMEM_MAGIC:      "secretmem",
	0x19800202:                "mqueue",     // ipc/mqueue.c
	0x62656570:                "configfs",   // fs/configfs/mount.c
	0x65735543:                "fusectl",    // fs/fuse/control.c
	0x67596969:                "rpc_pipefs", // net/sunrpc/rpc_pipe.c
	0x6e667364:                "nfsd",       // fs/nfsd/nfsctl.c
	0x958458f6:                "hugetlbfs",  // include/uapi/linux/magic.h
}
