# Run in a machine whose kernel preempts anywhere, on one processor and on two: processes that ask all the time, and run programs
# of another class.
set -u
PROCESSES=${1:-16} ROUNDS=${2:-500}
fail() {
    echo "failed: $*"
    exit 1
}
dmesg | grep -q 'Dynamic Preempt: full' || fail "the kernel does not preempt everywhere"
mkdir -p /srv/d
echo a >/srv/d/a
echo b >/srv/d/b
cat >/tmp/p.conf <<END
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act, eft
[policy_effect]
e = !some(where (p.eft == deny))
[matchers]
m = r.sub == p.sub && r.obj == p.obj && r.act == p.act
[policy]
#@ errno=ENOENT
p, boesfs-testbench, /srv/d/b, open, deny
#@ errno=EROFS
p, look, /srv/d/b, open, deny
END
boesfsc build --allow all /tmp/p.conf -o /tmp/p.bin >/tmp/said 2>&1 || fail "build: $(cat /tmp/said)"
cp "$(command -v boesfs-testbench)" /tmp/look
crowd_in() {
    $1 boesfs run --plane lsm --dir /srv/d /tmp/p.bin -- \
        boesfs-testbench endure-worker crowd-in /srv/d /tmp/look "$PROCESSES" "$2" ||
        fail "an answer was another than the policy's, ${1:-on one processor}"
}
crowd_in "" "$ROUNDS"
crowd_in "sh second.sh /tmp/p.conf" $((3 * ROUNDS))
[ -z "$(ls /sys/fs/bpf)" ] || fail "left $(find /sys/fs/bpf | tr '\n' ' ')"
echo "passed: all"
