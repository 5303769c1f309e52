// Package uml holds the lanes that need another kernel: an NFS client, an NFS
// server and systemd as the first process, none of which a test may count on,
// or disturb, where it runs. They boot User-mode Linux from Debian packages.
//
// prepare.sh makes kernel and root file system, once; need_test.go says what a
// lane needs and when its absence is a failure; machine_test.go boots a guest
// and collects what it left; guest is the program that runs inside; lanes has
// one script per lane; referral_test.go and upcalld_test.go judge their results.
//
// The guest has one processor, and starting a program in it takes many times
// what it takes outside: nothing measured there says anything about speed, nor
// about races between processors.
package uml
