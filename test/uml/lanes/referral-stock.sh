# referral-stock.sh: the referral without upcalld, to show what goes wrong and
# that the lane can see it.
set -eu
export PATH=/host/bin:$PATH
. /host/referral-lib.sh

make_referrals

# keyutils asks the host's name server, whoever asked.
scenario stock alternate -count 5 cli1=srv1 cli2=srv2

# With this line each question goes to the requester's own name server, and the
# kernel's cache still mixes the answers. Asked for afresh each time they are
# right, so it is the cache.
echo 'create dns_resolver * * /host/bin/guest naive %k' >/etc/request-key.d/lane.conf
scenario naive cli1-alone -count 5 -forget cli1=srv1
scenario naive cli2-alone -count 5 -forget cli2=srv2
scenario naive cli1-first -count 1 cli1=srv1 cli2=srv2
scenario naive cli2-first -count 1 cli2=srv2 cli1=srv1
scenario naive host-first -count 1 host=srv0 cli1=srv1
scenario naive host-last -count 1 cli1=srv1 host=srv0
scenario naive together -count 20 -together -jitter 200ms cli1=srv1 cli2=srv2
step stock
