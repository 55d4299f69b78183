# Run in a machine whose kernel could run BPF LSM programs and was not told to: nothing runs on the lsm plane, and nothing stays.
fail() {
    echo "failed: $*"
    exit 1
}
LIST=$(cat /sys/kernel/security/lsm)
case ,$LIST, in *,bpf,*) fail "bpf is among the modules: $LIST" ;; esac
LACK="lsm plane: \`bpf\` is not among the active security modules ($LIST): boot with lsm=…,bpf"

mkdir -p /srv/d
echo a >/srv/d/a
cat >/tmp/a.conf <<END
[request_definition]
r = obj, act
[policy_definition]
p = obj, act, eft
[policy_effect]
e = priority(p.eft) || allow
[matchers]
m = r.obj == p.obj && r.act == p.act
[policy]
p, /srv/d/a, open, deny
END
boesfsc build --allow all /tmp/a.conf -o /tmp/a.bin >/dev/null || fail "build"
nothing() {
    [ "$1" = 125 ] || fail "status $1: $(cat /tmp/said)"
    [ ! -e /tmp/ran ] || fail "the command ran: $(cat /tmp/said)"
    [ -z "$(ls /sys/fs/bpf)" ] && [ ! -e /run/boesfs ] || fail "left $(find /sys/fs/bpf /run/boesfs | tr '\n' ' ')"
}

boesfs run --plane lsm --dir /srv/d /tmp/a.bin -- touch /tmp/ran >/tmp/said 2>&1
nothing $?
[ "$(cat /tmp/said)" = "boesfs: no plane to enforce the policy on: $LACK" ] || fail "a refusal says: $(cat /tmp/said)"
echo "passed: refused"

boesfs probe >/tmp/probe || fail "probe"
for line in "bpf lsm *no *$LIST" "lsm plane *no *$(echo "${LACK#lsm plane: }" | sed 's/[.[]/\\&/g')"; do
    grep -q "^$line$" /tmp/probe || fail "probe has no line '$line': $(cat /tmp/probe)"
done
[ -z "$(ls /sys/fs/bpf)" ] || fail "probe left $(ls /sys/fs/bpf)"
echo "passed: probed"

# The other plane is taken, never none.
boesfs run -v --dir /srv/d /tmp/a.bin -- cat /srv/d/a >/tmp/out 2>/tmp/said && fail "nothing was denied"
grep -qF "taking the fuse plane ($LACK)" /tmp/said && [ ! -s /tmp/out ] || fail "auto says: $(cat /tmp/said)"
echo "passed: taken elsewhere"

# Where the list cannot be read, trying tells: the kernel makes no such maps, or never asks the programs, as the canary notices.
umount /sys/kernel/security || fail "the list of modules cannot be hidden"
boesfs run --plane lsm --dir /srv/d /tmp/a.bin -- touch /tmp/ran >/tmp/said 2>&1
nothing $?
grep -q 'canary\|boot with lsm=…,bpf' /tmp/said || fail "where programs are not asked: $(cat /tmp/said)"
echo "passed: all"
