# upcalld-lib.sh: upcalld in this guest, from /host/upcalld. Sourced.

# install_upcalld puts everything where a package would.
install_upcalld() {
	local program
	mkdir -p /usr/libexec/upcalld
	for program in /host/upcalld/*; do
		case ${program##*/} in
		upcalld) install "$program" /usr/sbin ;;
		upcallctl) install "$program" /usr/bin ;;
		*) install "$program" /usr/libexec/upcalld ;;
		esac
	done
}

# eventually COMMAND...: up to ten seconds, since a service says by itself when
# it is ready and this has to work where it does not say so.
eventually() {
	local tries
	for tries in $(seq 100); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	echo "not within 10 s: $*" >&2
	"$@"
}

# check WHAT WANTED COMMAND...: one line in the results, judged by the test.
check() {
	local what=$1 wanted=$2 got; shift 2
	got=$("$@" 2>&1) || got="exit status $?: $got"
	if [ "$got" = "$wanted" ]; then
		echo "ok $what"
	else
		echo "not ok $what: wanted $wanted, got ${got//$'\n'/ / }"
	fi | tee -a /host/out/checks
}
