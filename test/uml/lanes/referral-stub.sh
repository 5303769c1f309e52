# referral-stub.sh: the stub alone, with a broker that answers at once, which
# leaves it the least time to notice others that wait on the same key; and the
# same stub with its guards taken out, to show that they are what helps.
set -eu
export PATH=/host/bin:$PATH
. /host/referral-lib.sh

make_referrals
mkdir -p /run/upcalld
touch /run/upcalld/isolate
guest answers host=10.9.0.10 cli1=10.9.0.11 cli2=10.9.0.12 &


# use STUB: the kernel runs it from the next upcall on.
use() {
	ln -sf /host/stub/$1 /sbin/request-key
	step $1
}

use guarded
scenario guarded alternate -count 100 -retries 3 cli1=srv1 cli2=srv2
scenario guarded host-first -count 5 -retries 3 -forget host=srv0 cli1=srv1
scenario guarded host-last -count 5 -retries 3 -forget cli1=srv1 host=srv0
scenario guarded jitter -count 200 -together -jitter 200ms cli1=srv1 cli2=srv2
scenario guarded lockstep -count 50 -together cli1=srv1 cli2=srv2
scenario guarded insistent -count 100 -together -retries 5 cli1=srv1 cli2=srv2

use unguarded
scenario unguarded alternate -count 20 cli1=srv1 cli2=srv2
scenario unguarded lockstep -count 50 -together cli1=srv1 cli2=srv2

use leaky
scenario leaky alternate -count 20 cli1=srv1 cli2=srv2
scenario leaky host-first -count 1 host=srv0 cli1=srv1
scenario leaky host-last -count 1 cli1=srv1 host=srv0
scenario leaky jitter -count 50 -together -jitter 100ms cli1=srv1 cli2=srv2
step end
