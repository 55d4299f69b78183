# Run in a machine: sandboxes that share the engine of the lsm plane, from their start to nothing being left.
set -u
ROUNDS=${1:-20}
fail() {
    echo "failed: $*"
    exit 1
}
# Waits until $1 exists, for a minute.
await() {
    n=0
    while [ ! -e "$1" ]; do
        n=$((n + 1))
        [ $n -lt 600 ] || fail "$1 did not come: $(cat /tmp/said.* 2>/dev/null)"
        sleep 0.1
    done
}
field() { boesfs ps --format json | tr -d ' \n' | sed 's/},{/}\n{/g' | grep "\"name\":\"$1\"" | sed "s/.*\"$2\":\"\{0,1\}\([^,\"}]*\).*/\1/"; }
attached() { ls /sys/fs/bpf/boesfs/*/ 2>/dev/null | grep -c '^link_'; }
nothing_left() {
    [ ! -e /run/boesfs ] || fail "$1 left $(find /run/boesfs | tr '\n' ' ')"
    [ -z "$(ls /sys/fs/bpf)" ] || fail "$1 left $(find /sys/fs/bpf | tr '\n' ' ')"
}

mkdir -p /srv/d
echo a >/srv/d/a
echo b >/srv/d/b
policy() {
    cat >/tmp/$1.conf <<END
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[policy_effect]
e = !some(where (p.eft == deny))
[matchers]
m = r.sub == p.sub && r.obj == p.obj && r.act == p.act
[policy]
#@ id=no-$1
p, sh, $3, $2, file, deny
END
    boesfsc build --allow all /tmp/$1.conf -o /tmp/$1.bin >/tmp/said.build 2>&1 || fail "build: $(cat /tmp/said.build)"
}
policy a open /srv/d/a
policy b open /srv/d/b
policy read read /srv/d/b

# Two policies at once, one of them shared.
START="boesfs run --plane lsm --dir /srv/d --events"
cat >/tmp/loop.sh <<'END'
touch /tmp/ready.$1
while [ ! -e /tmp/stop.$1 ]; do cat /srv/d/a; cat /srv/d/b; done
END
$START /tmp/ev.one --name one /tmp/a.bin -- sh -c 'for i in 1 2 3 4 5 6 7 8; do sh /tmp/loop.sh one & done; wait' >/tmp/out.one 2>/tmp/said.one &
ONE=$!
await /tmp/ready.one
for name in two three; do
    policy=a
    [ $name = two ] || policy=b
    $START /tmp/ev.$name --name $name /tmp/$policy.bin -- sh -c "touch /tmp/ready.$name; exec sleep 1000" 2>/tmp/said.$name &
    eval "PID_$name=$!"
    await /tmp/ready.$name
done
[ "$(field one sharing) $(field two sharing) $(field three sharing)" = "2 2 1" ] || fail "sharing: $(boesfs ps)"
boesfs run --plane lsm --dir /srv/d --name two /tmp/a.bin -- true 2>/tmp/said.taken
[ $? = 125 ] && grep -q 'a sandbox called `two` is running' /tmp/said.taken || fail "a name in use: $(cat /tmp/said.taken)"

# Reloads while eight processes ask: each decision is that of the generation its event names, and none is made by neither.
i=0
while [ $i -lt $ROUNDS ]; do
    boesfs reload one /tmp/b.bin >/dev/null || fail "reload"
    boesfs reload one /tmp/a.bin >/dev/null || fail "reload"
    i=$((i + 1))
done
[ "$(field one generation)" = $((2 * ROUNDS + 1)) ] || fail "generation: $(boesfs ps)"
touch /tmp/stop.one
wait $ONE || fail "one ended with $?: $(tail -n 3 /tmp/said.one)"
EVENTS=$(wc -l </tmp/ev.one)
DENIED=$(grep -c 'Permission denied' /tmp/said.one)
[ "$EVENTS" -gt 0 ] && [ "$EVENTS" = "$DENIED" ] || fail "$EVENTS events, $DENIED denials: $(grep -v 'Permission denied' /tmp/said.one)"
A='"generation":[0-9]*[13579],.*"path":"/srv/d/a".*"rule":{"id":"no-a"'
B='"generation":[0-9]*[02468],.*"path":"/srv/d/b".*"rule":{"id":"no-b"'
STRAY=$(grep -v "$A" /tmp/ev.one | grep -v "$B" | head -n 1)
[ -z "$STRAY" ] || fail "decided by neither: $STRAY"
grep -q "$A" /tmp/ev.one && grep -q "$B" /tmp/ev.one || fail "one policy never decided"
echo "passed: $EVENTS denials during $((2 * ROUNDS)) reloads"

# What a reload means for a descriptor that is open: it stays, and what is done with it is judged anew.
$START /tmp/ev.open --name open /tmp/a.bin -- sh -c 'exec 5</srv/d/b; read -r x <&5; exec 6</srv/d/b; touch /tmp/ready.open
    while [ ! -e /tmp/go.open ]; do sleep 0.1; done; read -r y <&6 && echo "read $y"; echo end' >/tmp/out.open 2>/tmp/said.open &
OPEN=$!
await /tmp/ready.open
boesfs reload open /tmp/read.bin >/dev/null || fail "reload"
touch /tmp/go.open
wait $OPEN
grep -q end /tmp/out.open && ! grep -q read /tmp/out.open || fail "read after a reload: $(cat /tmp/out.open /tmp/said.open)"

# Permissive: told and not denied.
$START /tmp/ev.permissive --name permissive --permissive /tmp/a.bin -- sh -c 'cat /srv/d/a' >/tmp/out.permissive || fail "permissive denied"
grep -q '"verdict":"deny","errno":null.*no-a' /tmp/ev.permissive || fail "permissive said $(cat /tmp/ev.permissive)"

# Kill: all processes.
boesfs kill two || fail "kill"
wait $PID_two
[ $? = 137 ] || fail "killed with another status"
[ -z "$(field two name)" ] || fail "killed and still there"

# Supervisors killed at any moment: the sandbox dies, what is left is barred until it is cleared away.
for pause in 0 0.1 0.2 0.3 0.5 0.8; do
    rm -f /tmp/ready.gone
    $START /tmp/ev.gone --name gone /tmp/a.bin -- sh /tmp/loop.sh gone >/dev/null 2>&1 &
    GONE=$!
    sleep $pause
    kill -9 $GONE
    wait $GONE 2>/dev/null
done
kill -9 $PID_three
wait $PID_three 2>/dev/null
sleep 1
[ "$(attached)" -gt 0 ] || fail "enforcement ended with the supervisor"
for process in /proc/[0-9]*; do
    { tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null | grep -q '^sh /tmp/loop' && fail "processes outlive their supervisor"
done
boesfs gc | grep -q 'sandboxes and 0 engines' || fail "gc"
nothing_left "gc"

# Places that programs cannot be pinned in.
umount /sys/fs/bpf
boesfs run --plane lsm --dir /srv/d /tmp/a.bin -- true 2>/tmp/said.none
[ $? = 125 ] && grep -q 'no bpf file system is mounted' /tmp/said.none || fail "no bpffs: $(cat /tmp/said.none)"
mount -t bpf -o ro bpf /sys/fs/bpf
boesfs run --plane lsm --dir /srv/d /tmp/a.bin -- true 2>/tmp/said.ro
[ $? = 125 ] && grep -q 'read-only' /tmp/said.ro || fail "read-only bpffs: $(cat /tmp/said.ro)"
[ ! -e /run/boesfs ] || fail "a refusal left $(find /run/boesfs | tr '\n' ' ')"
echo "passed: all"
