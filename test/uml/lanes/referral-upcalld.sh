# referral-upcalld.sh: the referral with upcalld, whole; then with a stub that
# does not keep answers apart, beside the same broker.
set -eu
export PATH=/host/bin:$PATH
. /host/referral-lib.sh
. /host/upcalld-lib.sh

make_referrals
install_upcalld
upcalld >/host/out/upcalld.log 2>&1 &
eventually upcallctl list
upcallctl register cli1 --netns /run/netns/cli1
upcallctl register cli2 --netns /run/netns/cli2
step registered

# use STUB: the kernel runs it from the next upcall on.
use() {
	upcallctl hook enable --takeover --stub $1
	step ${1##*/}
}

use /usr/libexec/upcalld/request-key
scenario upcalld alternate -count 100 -retries 3 cli1=srv1 cli2=srv2
scenario upcalld host-first -count 5 -retries 3 host=srv0 cli1=srv1
scenario upcalld host-last -count 5 -retries 3 cli1=srv1 host=srv0
scenario upcalld jitter -count 200 -together -jitter 200ms cli1=srv1 cli2=srv2
scenario upcalld insistent -count 100 -together -retries 5 cli1=srv1 cli2=srv2
upcallctl list
dmesg | grep -a upcalld >/host/out/stub.log || true

use /host/stub/leaky
scenario leaky alternate -count 20 cli1=srv1 cli2=srv2
scenario leaky jitter -count 50 -together -jitter 100ms cli1=srv1 cli2=srv2
step end
