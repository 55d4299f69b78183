# Run in a machine: sandboxes that share the engine of the lsm plane, from their start to nothing being left.
set -u
OPERATIONS=${1:-3000} RELOADS=${2:-40} KILLS=${3:-8}
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
# What rules about objects stand below, whoever asks.
model() {
    cat <<END
[request_definition]
r = obj, act
[policy_definition]
p = obj, act, eft
[policy_effect]
e = priority(p.eft) || allow
[matchers]
m = r.obj == p.obj && r.act == p.act
[policy]
END
}
compile() { boesfsc build --allow all /tmp/$1.conf -o /tmp/$1.bin >/tmp/said.build 2>&1 || fail "build: $(cat /tmp/said.build)"; }
policy a open /srv/d/a
policy b open /srv/d/b
policy read read /srv/d/b

START="boesfs run --plane lsm --dir /srv/d --events"

# Reloads while eight processes ask, and agents killed at any moment: `cargo xtask bench endure` is the long form.
boesfs-testbench endure reloads --operations "$OPERATIONS" --reloads "$RELOADS" || fail "reloads"
nothing_left "reloads"
boesfs-testbench endure kills --kills "$KILLS" || fail "kills"
nothing_left "kills"

# A clearing, a reload and a start that are killed at any of their calls of bpf(2), and made again, take nothing from sandboxes
# beside them with the same policy. The calls are the same on both kernels, and each is the last on one of them: every other here.
case $(uname -r) in
6.1.*) TURN=0 ;;
*) TURN=1 ;;
esac
sed 's/no-a/no-c/' /tmp/a.conf >/tmp/c.conf
compile c
for name in beside other; do
    $START /dev/null --name $name /tmp/a.bin -- sh -c "echo >/tmp/ready.$name; while true; do (: </srv/d/a) && echo >/tmp/lapse.$name; sleep 0.05; done" 2>/dev/null &
    await /tmp/ready.$name
done
victim() {
    rm -f /tmp/ready.cut
    $START /dev/null --name cut /tmp/a.bin -- sh -c 'echo >/tmp/ready.cut; exec sleep 1000' 2>/tmp/said.cut &
    VICTIM=$!
    await /tmp/ready.cut
    kill -9 $VICTIM
    wait $VICTIM
}
# cut STEP COMMAND: kills it at a call, STEP further each time, until it makes no more. On the other kernel in between.
cut() {
    STEP=$1 CUT=$((1 + TURN * $1 / 2))
    shift
    while
        [ "$2" != gc ] || victim
        boesfs-testbench endure-worker cut-short $CUT "$@" >/dev/null 2>&1
    do
        boesfs run --plane lsm --dir /srv/d --name cut /tmp/a.bin -- sh -c ': </srv/d/a' 2>/dev/null && fail "opened after $2 was cut short at $CUT"
        [ "$(attached)" -gt 0 ] || fail "nothing is attached after $2 was cut short at $CUT"
        [ ! -e /tmp/lapse.beside ] && [ ! -e /tmp/lapse.other ] || fail "what is denied was opened beside $2, cut short at $CUT"
        CUT=$((CUT + STEP))
    done
    [ $CUT -gt 10 ] || fail "$2 makes $CUT calls of bpf(2)"
}
cut 2 boesfs gc
cut 2 boesfs reload beside /tmp/c.bin
cut 8 boesfs run --plane lsm --dir /srv/d --name cut /tmp/a.bin -- true
boesfs run --plane lsm --dir /srv/d /tmp/b.bin -- sleep 0.5 || fail "a sandbox beside"
[ ! -e /tmp/lapse.beside ] && [ ! -e /tmp/lapse.other ] || fail "what is denied was opened beside what was cut short"
for name in beside other; do boesfs kill $name || fail "kill $name"; done
wait
boesfs gc >/dev/null
rm /tmp/ready.beside /tmp/ready.other /tmp/ready.cut
nothing_left "what was cut short"

# Two policies at once, one of them shared.
for name in one two three; do
    policy=a
    [ $name != three ] || policy=b
    $START /tmp/ev.$name --name $name /tmp/$policy.bin -- sh -c "touch /tmp/ready.$name; exec sleep 1000" 2>/tmp/said.$name &
    eval "PID_$name=$!"
    await /tmp/ready.$name
done
[ "$(field one sharing) $(field two sharing) $(field three sharing)" = "2 2 1" ] || fail "sharing: $(boesfs ps)"
boesfs run --plane lsm --dir /srv/d --name two /tmp/a.bin -- true 2>/tmp/said.taken
[ $? = 125 ] && grep -q 'a sandbox called `two` is running' /tmp/said.taken || fail "a name in use: $(cat /tmp/said.taken)"

# What a reload means for a descriptor that is open: what is done with it is judged anew where the new policy looks at
# that, and under a strict one it is refused where it could not be opened any more. $1: what the reload takes.
reread() {
    rm -f /tmp/ready.open /tmp/go.open
    $START /tmp/ev.open --name open /tmp/a.bin -- sh -c 'exec 5</srv/d/b; read -r x <&5; exec 6</srv/d/b; touch /tmp/ready.open
        while [ ! -e /tmp/go.open ]; do sleep 0.1; done; read -r y <&6 && echo "read $y"; echo end' >/tmp/out.open 2>/tmp/said.open &
    OPEN=$!
    await /tmp/ready.open
    boesfs reload $1 >/dev/null || fail "reload $1"
    touch /tmp/go.open
    wait $OPEN
    grep -q end /tmp/out.open || fail "reload $1: $(cat /tmp/said.open)"
    grep -q read /tmp/out.open
}
reread "open /tmp/read.bin" && fail "read what a reload denies to read"
reread "open /tmp/b.bin" || fail "not read what a reload denies to open: $(cat /tmp/said.open)"
reread "--strict open /tmp/b.bin" && fail "read what a strict reload denies to open"
grep -q '"op":"open".*no-b' /tmp/ev.open || fail "a strict reload said $(cat /tmp/ev.open)"

# What one program may not open it cannot use either when another hands it on, whatever else the policy denies.
sed 's/^p = sub, obj, act$/&, eft/; s/^p, sh, /p, boesfs-testbench, /; s/, file, deny$/, deny/' /tmp/b.conf >/tmp/heir.conf
compile heir
for turn in 1 2; do
    echo b >/srv/d/b
    $START /tmp/ev.heir /tmp/heir.bin -- sh -c 'read -r x </srv/d/b && echo opened
        boesfs-testbench endure-worker read </srv/d/b && echo read
        boesfs-testbench endure-worker cut >>/srv/d/b; [ -s /srv/d/b ] || echo cut' >/tmp/out.heir 2>/tmp/said.heir
    [ "$(cat /tmp/out.heir)" = opened ] || fail "a descriptor handed on: $(cat /tmp/out.heir /tmp/said.heir)"
    [ "$(grep -c '"verdict":"deny".*no-b' /tmp/ev.heir)" -ge 2 ] || fail "a descriptor handed on said $(cat /tmp/ev.heir)"
done

# Where programs have different rights nobody's memory is dumped, not to a program that the kernel feeds with it either.
printf '#!/bin/sh\ncat >/dev/null; echo $1 >>/tmp/dumps\n' >/tmp/collect && chmod +x /tmp/collect
for policy in heir a; do
    echo "|/tmp/collect $policy" >/proc/sys/kernel/core_pattern
    $START /dev/null /tmp/$policy.bin -- sh -c 'sleep 1000 & kill -ABRT $!; wait; (ulimit -c 0; exec sleep 1000) & kill -ABRT $!; wait' 2>/dev/null
done
n=0
until [ "$(grep -cx a /tmp/dumps 2>/dev/null)" = 2 ]; do
    n=$((n + 1))
    [ $n -lt 600 ] || fail "memory is dumped nowhere"
    sleep 0.1
done
grep -q heir /tmp/dumps && fail "memory is dumped where programs have different rights"
echo core >/proc/sys/kernel/core_pattern

# A reload changes the kill limit, which counts from then on, unless the command line has one.
policy limited open /srv/d/a
sed -i 's/^\[policy\]$/[options]\nkill_after = 2\n[policy]/' /tmp/limited.conf
boesfsc build --allow all /tmp/limited.conf -o /tmp/limited.bin >/dev/null || fail "build"
asking() { echo 'ask() { read -r x </srv/d/a; } 2>/dev/null; ask; ask; ask; touch /tmp/ready.kill
    while [ ! -e /tmp/go.kill ]; do sleep 0.1; done; ask; ask; ask; ask; echo end'; }
for given in "" "--kill-after 7"; do
    rm -f /tmp/ready.kill /tmp/go.kill /tmp/ev.kill
    $START /tmp/ev.kill $given --name kill /tmp/a.bin -- sh -c "$(asking)" >/tmp/out.kill 2>/tmp/said.kill &
    KILL=$!
    await /tmp/ready.kill
    boesfs reload kill /tmp/limited.bin >/dev/null || fail "reload"
    touch /tmp/go.kill
    wait $KILL
    [ $? = 137 ] || fail "a kill limit ${given:-of a reload} ended it with another status: $(cat /tmp/said.kill)"
    echo "${given:-reload} $(grep -c '"verdict":"deny"' /tmp/ev.kill) $(grep -c '"verdict":"kill"' /tmp/ev.kill)"
done >/tmp/kills
[ "$(tr '\n' ' ' </tmp/kills)" = "reload 5 1 --kill-after 7 7 1 " ] || fail "kill limits: $(cat /tmp/kills)"
# Without anybody to be told, too.
boesfs run --plane lsm --dir /srv/d /tmp/limited.bin -- sh -c 'sleep 1000 & read -r x </srv/d/a; read -r x </srv/d/a; echo more' >/tmp/out.kill 2>/dev/null
[ $? = 137 ] && [ ! -s /tmp/out.kill ] || fail "a kill limit without events: $(cat /tmp/out.kill)"

# Many events of one kind: some are told, and how many there were besides.
$START /tmp/ev.many --event-rate 5 --name many /tmp/a.bin -- sh -c 'i=0; while [ $i -lt 200 ]; do read -r x </srv/d/a; i=$((i + 1)); done 2>/dev/null' 2>/tmp/said.many
TOLD=$(wc -l </tmp/ev.many)
FOLDED=$(sed -n 's/boesfs: \([0-9]*\) events folded.*/\1/p' /tmp/said.many)
[ $((TOLD + ${FOLDED:-0})) = 200 ] && [ "$TOLD" -lt 100 ] || fail "$TOLD events and ${FOLDED:-no} folded: $(cat /tmp/said.many)"

# A buffer that nobody reads, for its supervisor is stopped: what is denied stays denied, what was not kept is counted, there
# and not beside, and denials had a part of it to themselves. When reading goes on, that much is told.
{
    model
    cat <<END
#@ id=audited audit=always
p, /srv/d/b, open, allow
#@ id=no-a
p, /srv/d/a, open, deny
END
} >/tmp/full.conf
compile full
for name in full beside; do
    $START /tmp/ev.$name --event-rate 0 --name $name /tmp/full.bin -- sh -c "touch /tmp/ready.$name"'
        until_there() { while [ ! -e "$1" ]; do sleep 0.1; done; }
        ask() { i=0; while [ $i -lt $2 ]; do read -r x <"$1" && opened=$((opened + 1)); i=$((i + 1)); done 2>/dev/null; }
        opened=0
        until_there /tmp/go.'$name'
        ask /srv/d/b $1; echo audited $opened
        ask /srv/d/a $2; echo audited and opened $opened
        touch /tmp/asked.'$name'
        until_there /tmp/end.'$name'
        ask /srv/d/a 1; echo in all $opened' sh $([ $name = full ] && echo 7000 4000 || echo 1 1) >/tmp/out.$name 2>/tmp/said.$name &
    eval "PID_$name=$!"
    await /tmp/ready.$name
done
kill -STOP $PID_full
for name in full beside; do
    touch /tmp/go.$name
    await /tmp/asked.$name
done
[ "$(tr '\n' ' ' </tmp/out.full)" = "audited 7000 audited and opened 7000 " ] || fail "a full buffer: $(cat /tmp/out.full)"
DROPPED=$(field full dropped)
[ "$(field full denials) $(field beside dropped)" = "4000 0" ] && [ "$DROPPED" -gt 0 ] || fail "a full buffer: $(boesfs ps --format json)"
kill -CONT $PID_full
touch /tmp/end.full /tmp/end.beside
wait $PID_full $PID_beside
grep -q 'in all 7000' /tmp/out.full || fail "a full buffer opened: $(cat /tmp/out.full)"
grep -q "$DROPPED events lost" /tmp/said.full || fail "a full buffer lost $DROPPED and said: $(cat /tmp/said.full)"
grep -q lost /tmp/said.beside && fail "a full buffer beside: $(cat /tmp/said.beside)"
AUDITED=$(grep -c '"verdict":"allow".*"audited"' /tmp/ev.full) DENIED=$(grep -c '"verdict":"deny".*"no-a"' /tmp/ev.full)
[ $((AUDITED + DENIED + DROPPED)) = 11001 ] || fail "a full buffer: $AUDITED, $DENIED and $DROPPED lost"
[ "$DENIED" -gt 1000 ] || fail "of denials into a full buffer only $DENIED were told, and $AUDITED of what was audited"

# What the sandbox is given to read cannot be cut by its name in /proc, nor opened again; what it is given to write can be cut.
policy given write /srv/d/b
echo kept >/srv/given
echo old >/srv/output
$START /tmp/ev.given /tmp/given.bin -- boesfs-testbench endure-worker given </srv/given 1<>/srv/output 2>/tmp/said.given
[ "$? $(cat /srv/given)$(cat /srv/output)" = "0 kept" ] || fail "given descriptors: $(cat /tmp/said.given /srv/given /srv/output)"
grep -q '"op":"write".*"reason":"unresolved"' /tmp/ev.given || fail "given descriptors said $(cat /tmp/ev.given)"

# What lies on no mount of the sandbox has no name to judge by. With an overlay in it, its layers lie so, and nothing else.
mkdir -p /srv/low /srv/up /srv/work /srv/d/over /srv/gone
mount -t overlay -o lowerdir=/srv/low,upperdir=/srv/up,workdir=/srv/work overlay /srv/d/over && echo over >/srv/d/over/f || fail "no overlay"
{ model; echo "p, /srv/d/a, setattr, deny"; } >/tmp/label.conf
compile label
mount -t tmpfs tmpfs /srv/gone && echo >/srv/gone/f && exec 8</srv/gone/f && umount -l /srv/gone || fail "no file without a mount"
for below in "boesfs-testbench endure-worker label" "chmod 600 /srv/d/over/f"; do
    $START /tmp/ev.label /tmp/label.bin -- $below <&8 2>/tmp/said.label || fail "$below: $(cat /tmp/said.label /tmp/ev.label)"
done
exec 8<&-
umount /srv/d/over

# Permissive: told and not denied.
$START /tmp/ev.permissive --name permissive --permissive /tmp/a.bin -- sh -c 'cat /srv/d/a' >/tmp/out.permissive || fail "permissive denied"
grep -q '"verdict":"deny","errno":null.*no-a' /tmp/ev.permissive || fail "permissive said $(cat /tmp/ev.permissive)"

# Where case does not count, a rule about one spelling says nothing of the others: nothing is allowed there. Beside it all is.
mkdir /srv/fold
mount -o loop fold.img /srv/fold || fail "no file system that folds case"
mkdir /srv/fold/folding /srv/fold/plain
boesfs-testbench endure-worker fold-case /srv/fold/folding || fail "no directory that folds case"
for name in folding/secret folding/other plain/secret plain/other; do echo $name >/srv/fold/$name; done
policy fold open /srv/fold/folding/secret
[ "$(cat /srv/fold/folding/SECRET)" = folding/secret ] || fail "a directory that does not fold case"
for plane in fuse lsm; do
    boesfs run --plane $plane --dir /srv/fold --events /tmp/ev.fold-$plane /tmp/fold.bin -- sh -c 'cd /srv/fold
        for name in folding/SECRET folding/secret folding/Other plain/secret; do read -r x <$name && echo $name; done
        mv plain/other plain/another; mv plain/another plain/other; mv folding/other folding/again' >/tmp/out.fold 2>/dev/null
    [ "$(cat /tmp/out.fold)" = plain/secret ] || fail "case that does not count, $plane: $(cat /tmp/out.fold)"
    grep -q '"reason":"folds-case"' /tmp/ev.fold-$plane || fail "case that does not count said $(cat /tmp/ev.fold-$plane)"
done
grep '"op":"open"' /tmp/ev.fold-lsm | grep SECRET | grep -q '"reason":"folds-case"' || fail "case that does not count said $(cat /tmp/ev.fold-lsm)"
# What is denied for the first of its names is told with both.
grep '"op":"rename"' /tmp/ev.fold-lsm | grep -q '"args":\["/srv/fold/folding/again"\]' || fail "a denied move said $(cat /tmp/ev.fold-lsm)"
# Who opens a file to write to it, and would make it, is denied nothing if it is there, though the kernel asks before it looks.
{
    model
    for name in other none nine; do echo "p, /srv/fold/plain/$name, create, deny"; done
} >/tmp/made.conf
compile made
for turn in 1 2 3; do echo 3 >/proc/sys/vm/drop_caches; done
boesfs run --plane lsm --dir /srv/fold --kill-after 2 --events /tmp/ev.made /tmp/made.bin -- sh -c 'cd /srv/fold/plain
    echo more >>other && echo written; echo >>none; echo one; echo >>nine; echo two' >/tmp/out.made 2>/tmp/said.made
[ $? = 137 ] && [ "$(tr '\n' ' ' </tmp/out.made)" = "written one " ] || fail "names that are made: $(cat /tmp/out.made /tmp/said.made)"
[ "$(grep -c '"verdict":"deny"' /tmp/ev.made)" = 2 ] || fail "names that are made said $(cat /tmp/ev.made)"
umount /srv/fold

# More mounts than are read at once: calls that are told no mount are judged by the last of them too. With more than are
# recorded none of these calls is allowed.
{ model; echo "p, /srv/many/20/f, setattr, deny"; } >/tmp/many.conf
compile many
for most in 20 70; do
    n=$(ls /srv/many 2>/dev/null | wc -l)
    while [ $n -lt $most ]; do
        n=$((n + 1))
        mkdir -p /srv/many/$n && mount -t tmpfs tmpfs /srv/many/$n && echo >/srv/many/$n/f && echo >/srv/many/$n/g || fail "mount $n"
    done
    boesfs run --plane lsm --dir /srv/many --events /tmp/ev.many-$most /tmp/many.bin -- sh -c 'for turn in 1 2; do
        for name in 1/f 20/f 20/g; do touch /srv/many/$name && echo $name; done; done' >/tmp/out.many-$most 2>/dev/null
done
[ "$(tr '\n' ' ' </tmp/out.many-20)" = "1/f 20/g 1/f 20/g " ] || fail "many mounts: $(cat /tmp/out.many-20)"
[ ! -s /tmp/out.many-70 ] && grep -q '"path":null.*"reason":"unresolved"' /tmp/ev.many-70 || fail "too many mounts: $(cat /tmp/out.many-70) $(cat /tmp/ev.many-70)"
for n in $(ls /srv/many); do umount /srv/many/$n; done

# A protected directory whose path just fits in the room for short ones, and one whose path does not.
for length in 192 193; do
    long=/srv/long/$(printf "%0$((length - 10))d" 0)
    mkdir -p $long && echo >$long/a && echo >$long/b || fail "a directory of $length bytes"
    { model; echo "p, $long/a, open, deny"; } >/tmp/long.conf
    compile long
    boesfs run --plane lsm --dir $long --events /tmp/ev.long-$length /tmp/long.bin -- \
        sh -c 'for name in a b; do read -r x <$0/$name && echo $name; done' $long >/tmp/out.long 2>/dev/null
    [ "$(cat /tmp/out.long)" = b ] && grep -q "\"path\":\"$long/a\"" /tmp/ev.long-$length || fail "a directory of $length bytes: $(cat /tmp/out.long /tmp/ev.long-$length)"
done

# A reload takes no older revision than the one before it.
boesfsc keygen -o /tmp/key >/dev/null || fail "keygen"
for revision in 1 2; do
    boesfsc build --allow all --sign /tmp/key --release work --revision $revision /tmp/a.conf -o /tmp/signed.$revision >/dev/null || fail "sign"
done
TRUST="--trust /tmp/key.pub --ledger /tmp/ledger"
# What has not run is not written down.
$START /tmp/ev.signed $TRUST /tmp/signed.2 -- no-such-command 2>/tmp/said.signed
[ $? = 127 ] || fail "no command: $(cat /tmp/said.signed)"
$START /tmp/ev.signed $TRUST --name one /tmp/signed.2 -- true 2>/tmp/said.signed
[ $? = 125 ] || fail "a name in use: $(cat /tmp/said.signed)"
$START /tmp/ev.signed $TRUST --name signed /tmp/signed.1 -- sh -c 'touch /tmp/ready.signed; exec sleep 1000' 2>/tmp/said.signed &
SIGNED=$!
await /tmp/ready.signed
RELOAD="boesfs reload $TRUST signed"
mkdir /tmp/ledger.new
$RELOAD /tmp/signed.2 2>/tmp/said.full && fail "reloaded what cannot be written down"
rmdir /tmp/ledger.new
[ "$(field signed generation)" = 1 ] || fail "a reload that is not written down: $(boesfs ps)"
$RELOAD /tmp/signed.2 >/dev/null || fail "reload of a newer revision"
$RELOAD /tmp/signed.1 2>/tmp/said.older && fail "reloaded an older revision"
grep -q 'revision' /tmp/said.older || fail "an older revision: $(cat /tmp/said.older)"
$RELOAD /tmp/a.bin 2>/tmp/said.unsigned && fail "reloaded what nobody signed"
[ "$(field signed generation)" = 2 ] || fail "a refused reload: $(boesfs ps)"
boesfs kill signed || fail "kill"
wait $SIGNED

# Kill: all processes.
boesfs kill two || fail "kill"
wait $PID_two
[ $? = 137 ] || fail "killed with another status"
[ -z "$(field two name)" ] || fail "killed and still there"

# Supervisors killed: the policy stays in force until what is left is cleared away.
for pid in $PID_one $PID_three; do
    kill -9 $pid
    wait $pid 2>/dev/null
done
[ "$(attached)" -gt 0 ] || fail "enforcement ended with the supervisor"
while [ "$(field one state)" = running ]; do sleep 0.1; done
boesfs rm one || fail "rm"
[ -z "$(field one name)" ] && [ -n "$(field three name)" ] && [ "$(attached)" -gt 0 ] || fail "rm of one: $(boesfs ps)"
boesfs gc | grep -q 'sandboxes and 0 engines' || fail "gc"
nothing_left "gc"

# Two builds side by side: each has an engine of its own, and one goes without the other.
$START /tmp/ev.old --name old /tmp/a.bin -- sh -c 'touch /tmp/ready.old; while [ ! -e /tmp/go.old ]; do sleep 0.1; done; cat /srv/d/a' >/tmp/out.old 2>/tmp/said.old &
OLD=$!
await /tmp/ready.old
BUILD=$(ls /sys/fs/bpf/boesfs)
NEWER=$(echo "$BUILD" | tr '0123456789abcdef' '123456789abcdef0')
boesfs-testbench endure-worker rename-build "$(command -v boesfs)" /tmp/newer "$BUILD" "$NEWER" || fail "another build"
/tmp/newer run --plane lsm --dir /srv/d --events /tmp/ev.new --name new /tmp/b.bin -- sh -c 'touch /tmp/ready.new; while [ ! -e /tmp/go.new ]; do sleep 0.1; done; cat /srv/d/b; cat /srv/d/a' >/tmp/out.new 2>/tmp/said.new &
NEW=$!
await /tmp/ready.new
[ "$(ls /sys/fs/bpf/boesfs | wc -l)" = 2 ] || fail "engines: $(ls /sys/fs/bpf/boesfs)"
boesfs reload new /tmp/a.bin 2>/tmp/said.build && fail "reloaded another build's sandbox"
grep -q 'another build' /tmp/said.build || fail "another build: $(cat /tmp/said.build)"
/tmp/newer gc >/dev/null && boesfs gc >/dev/null || fail "gc"
touch /tmp/go.old
wait $OLD && fail "the older build denied nothing"
grep -q no-a /tmp/ev.old || fail "the older build said $(cat /tmp/ev.old)"
[ "$(ls /sys/fs/bpf/boesfs)" = "$NEWER" ] || fail "the older build left $(ls /sys/fs/bpf/boesfs)"
touch /tmp/go.new
wait $NEW || fail "the newer build denied what it should not: $(cat /tmp/said.new)"
grep -q no-b /tmp/ev.new && grep -q '^a$' /tmp/out.new || fail "the newer build said $(cat /tmp/ev.new)"
nothing_left "two builds"

# Who clears away takes nothing from a sandbox that lives, whatever is written down of it, or is not to be seen from there.
own() {
    rm -f /tmp/ready.own
    $START /dev/null ${1:-} --name own /tmp/a.bin -- sh -c 'touch /tmp/ready.own
        while true; do (: </srv/d/a) && touch /tmp/lapse.own; touch /tmp/turn.own; sleep 0.05; done' 2>/tmp/said.own &
    OWN=$!
    await /tmp/ready.own
}
# $1: what is said. The rest: a clearing that must leave everything as it is.
leaves() {
    said=$1
    shift
    "$@" >/tmp/said.leaves 2>&1
    [ $? = 1 ] && grep -q "$said" /tmp/said.leaves || fail "$* said $(cat /tmp/said.leaves), not $said"
    for turn in 1 2; do
        rm -f /tmp/turn.own
        await /tmp/turn.own
    done
    [ ! -e /tmp/lapse.own ] && [ "$(attached)" -gt 0 ] && kill -0 $OWN || fail "$* took a living sandbox's policy"
}
# Who shares the bpf file system and nothing below /run, and who sees only own processes besides.
elsewhere() { unshare -m sh -c 'mount -t tmpfs tmpfs /run && exec "$@"' sh "$@"; }
enclosed() { unshare -m -p -f sh -c 'mount -t proc proc /proc && mount -t tmpfs tmpfs /run && exec "$@"' sh "$@"; }
OWN_DIR=/run/boesfs/sandboxes/own
for seal in "" --seal; do
    own $seal
    leaves 'process [0-9]* lives in sandbox' elsewhere boesfs gc
    leaves 'from this pid namespace not all processes are seen' enclosed boesfs gc
    # Another program is refused a look at what is sealed.
    OTHER='process [0-9]* lives in a sandbox of build'
    [ -z "$seal" ] || OTHER='it cannot be told .* of build .*Operation not permitted'
    leaves "$OTHER" elsewhere /tmp/newer gc
    mv $OWN_DIR/sandbox.json /tmp/record
    leaves 'process [0-9]* lives in sandbox' boesfs gc
    echo '{' >$OWN_DIR/sandbox.json
    leaves 'process [0-9]* lives in sandbox' boesfs gc
    leaves "$OTHER" /tmp/newer gc
    rm $OWN_DIR/sandbox.json
    mkdir $OWN_DIR/sandbox.json
    leaves "$OWN_DIR: Is a directory" boesfs gc
    rmdir $OWN_DIR/sandbox.json
    # A lock that is free, and a record that names no process: what is in the sandbox dies before it is taken out.
    rm -r $OWN_DIR
    mkdir $OWN_DIR
    sed 's/"init":[0-9]*/"init":null/' /tmp/record >$OWN_DIR/sandbox.json
    boesfs gc | grep -q '^1 sandboxes and 0 engines' || fail "gc"
    wait $OWN && fail "it was cleared away alive"
    [ ! -e /tmp/lapse.own ] || fail "what is denied was opened while it was cleared away"
    nothing_left "a lock in another's place"
done
# One that has no processes yet and of which nothing is written is cleared away: then it does not begin.
mkdir /sys/fs/cgroup/held || fail "no cgroups"
HELD=/sys/fs/cgroup/held/cgroup
# Whether it is written down without processes, and nobody has the engine's lock.
begins() {
    grep -q '"init":null' $OWN_DIR/sandbox.json 2>/dev/null &&
        ! grep -q ":$(stat -c %i /run/boesfs/engine-*.lock) 0 EOF" /proc/locks
}
while
    sh -c 'echo $$ >/sys/fs/cgroup/held/cgroup.procs; exec "$@"' sh $START /dev/null --name own /tmp/a.bin -- touch /tmp/ran 2>/tmp/said.own &
    OWN=$!
    until begins || ! kill -0 $OWN 2>/dev/null; do :; done
    echo 1 >$HELD.freeze
    until grep -q 'frozen 1' $HELD.events; do :; done
    ! begins
do
    echo 0 >$HELD.freeze
    wait $OWN
    rm -f /tmp/ran
done
rm $OWN_DIR/sandbox.json
boesfs gc | grep -q '^1 sandboxes and 0 engines' || fail "gc"
echo 0 >$HELD.freeze
wait $OWN
[ $? = 125 ] && [ ! -e /tmp/ran ] || fail "it began after it was cleared away: $(cat /tmp/said.own)"
nothing_left "a sandbox that was cleared away before it began"
# What nobody has written down goes when its processes are gone, and so does another build's engine.
own
rm $OWN_DIR/sandbox.json
kill -9 $OWN
wait $OWN
n=0
until boesfs gc >/tmp/said.gc 2>&1; do
    n=$((n + 1))
    [ $n -lt 100 ] || fail "gc: $(cat /tmp/said.gc)"
    sleep 0.1
done
nothing_left "a sandbox that is not written down"
own
kill -9 $OWN
wait $OWN
/tmp/newer gc >/tmp/said.gc 2>&1
grep -q '^1 sandboxes and 1 engines' /tmp/said.gc || fail "another build's gc: $(cat /tmp/said.gc)"
[ ! -e /tmp/lapse.own ] || fail "what is denied was opened while it was cleared away"
nothing_left "another build's gc"

# The seal: another program gets at nothing of the engine, and the one that sealed it does. Without it, all of that works.
cp "$(command -v boesfs)" /tmp/other
tamper() {
    ENGINE=$(echo /sys/fs/bpf/boesfs/*)
    ln -s x "$ENGINE/planted" 2>/dev/null && echo planted && rm "$ENGINE/planted"
    mv "$ENGINE" "${ENGINE}x" 2>/dev/null && echo moved && mv "${ENGINE}x" "$ENGINE"
    /tmp/other reload sealed /tmp/b.bin >/dev/null 2>&1 && echo reloaded
    boesfs-testbench endure-worker reach "$ENGINE" >/tmp/reached || fail "reach"
    grep -v '/link_' /tmp/reached | grep -q . && echo reached "$(grep -c /tally /tmp/reached)"
    ls /proc/$SEALED/map_files >/dev/null 2>&1 && cat /proc/$SEALED/maps >/dev/null 2>&1 && echo looked
    boesfs-testbench endure-worker pose "$(command -v boesfs)" 2>/tmp/said.pose && echo posed
    boesfs-testbench endure-worker trace boesfs ps >/dev/null 2>/tmp/said.trace && echo traced
    # The tool has no loader here that could be misled; where the kernel keeps one from that, it bounds the stack as well.
    (ulimit -s unlimited && boesfs run --plane lsm --dir /srv/d /tmp/a.bin -- grep -q 'stack size *unlimited' /proc/self/limits) && echo kept
    mount -o remount,ro /sys/fs/bpf 2>/dev/null && echo remounted && mount -o remount,rw /sys/fs/bpf
    true
}
boesfs-testbench endure-worker trace boesfs run --plane lsm --seal --dir /srv/d /tmp/a.bin -- true >/tmp/said.watched 2>&1 && fail "sealed by a process that is traced"
grep -q 'is traced' /tmp/said.watched || fail "a seal by a traced process: $(cat /tmp/said.watched)"
nothing_left "a seal by a traced process"
for seal in "" --seal; do
    $START /tmp/ev.sealed $seal --name sealed /tmp/a.bin -- sh -c "touch /tmp/ready.sealed$seal; exec sleep 1000" 2>/tmp/said.sealed &
    SEALED=$!
    await "/tmp/ready.sealed$seal"
    tamper >/tmp/tampered$seal
    if [ -n "$seal" ]; then
        umount /sys/fs/bpf 2>/dev/null && fail "unmounted a sealed engine"
        boesfs run --plane lsm --dir /srv/d /tmp/a.bin -- true || fail "the tool cannot start beside a sealed engine"
        boesfs reload sealed /tmp/b.bin >/dev/null || fail "the tool cannot reload under its seal"
    else
        boesfs run --plane lsm --seal --dir /srv/d /tmp/a.bin -- true 2>/tmp/said.unsealed
        [ $? = 125 ] && grep -q 'not sealed' /tmp/said.unsealed || fail "a seal on what was open: $(cat /tmp/said.unsealed)"
    fi
    boesfs kill sealed || fail "kill"
    wait $SEALED
    nothing_left "a sandbox with seal '$seal'"
done
[ "$(tr '\n' ' ' </tmp/tampered)" = "planted moved reloaded reached 1 looked posed traced kept remounted " ] || fail "without a seal: $(cat /tmp/tampered)"
[ -z "$(cat /tmp/tampered--seal)" ] || fail "with a seal: $(cat /tmp/tampered--seal)"

# What is refused before anything runs, in these words and no others; nothing stays, and the name is free.
# $1: what is to be said after the plane's name. The rest: a command that is to be run.
REFUSED="boesfs: no plane to enforce the policy on: lsm plane: "
refused() {
    said=$1
    shift
    rm -f /tmp/ran
    "$@" boesfs run --plane lsm --name refused --dir /srv/d --events /tmp/ev.refused /tmp/a.bin -- touch /tmp/ran >/tmp/said.refused 2>&1
    status=$?
    [ "$status $(cat /tmp/said.refused)" = "125 $REFUSED$said" ] || fail "status $status: $(cat /tmp/said.refused) for $said"
    [ ! -e /tmp/ran ] || fail "it ran: $said"
    # Who asks before is told the same.
    [ "$1" != env ] || boesfs probe | grep "^lsm plane  *no " | grep -qF "$said" || fail "probe: $(boesfs probe) for $said"
    [ -z "$(field refused name)" ] || fail "it stays: $said"
}

# Operations that the kernel has no hook for: by name, for a sandbox that starts and for one that runs.
for op in llseek fsync; do
    { model; echo "p, /srv/d/a, $op, deny"; } >/tmp/unseen.conf
    compile unseen
    SAID="boesfs: line 10 (\`p, /srv/d/a, $op, deny\`) denies \`$op\` where \`open\` is allowed, and the lsm plane cannot enforce that: no LSM hook sees $op"
    boesfs run --plane lsm --dir /srv/d /tmp/unseen.bin -- touch /tmp/ran >/tmp/said.unseen 2>&1
    [ "$? $(cat /tmp/said.unseen)" = "125 $SAID" ] && [ ! -e /tmp/ran ] || fail "$op: $(cat /tmp/said.unseen)"
    nothing_left "a policy about $op"
    $START /tmp/ev.unseen --name unseen /tmp/a.bin -- sh -c 'touch /tmp/ready.unseen; exec sleep 1000' 2>/tmp/said.running &
    await /tmp/ready.unseen
    boesfs reload unseen /tmp/unseen.bin >/tmp/said.unseen 2>&1
    [ "$? $(cat /tmp/said.unseen)" = "1 $SAID" ] || fail "reload of $op: $(cat /tmp/said.unseen)"
    [ "$(field unseen generation)" = 1 ] || fail "reload of $op: $(boesfs ps)"
    boesfs kill unseen || fail "kill"
    wait $!
    rm /tmp/ready.unseen
    nothing_left "a reload of $op"
done

# Memory that the kernel does not give, for the engine's maps, and beside an engine at work for one sandbox's buffer.
echo +memory >/sys/fs/cgroup/cgroup.subtree_control && mkdir /sys/fs/cgroup/tight || fail "no cgroups with a limit of memory"
tight() { sh -c 'echo $$ >/sys/fs/cgroup/tight/cgroup.procs; exec "$@"' sh "$@"; }
NO_MEMORY="Cannot allocate memory (os error 12); maps count against the memory.max of the caller's cgroup, and \`boesfsc inspect\` says what they take"
echo 72M >/sys/fs/cgroup/tight/memory.max
refused "the kernel does not make map \`policies_huge.inner\`: $NO_MEMORY" tight
nothing_left "maps without memory"
$START /tmp/ev.roomy --name roomy /tmp/a.bin -- sh -c 'touch /tmp/ready.roomy; while [ ! -e /tmp/go.roomy ]; do sleep 0.1; done; cat /srv/d/a' 2>/tmp/said.roomy &
ROOMY=$!
await /tmp/ready.roomy
echo 1M >/sys/fs/cgroup/tight/memory.max
refused "the kernel does not make map \`rings\`: $NO_MEMORY" tight
touch /tmp/go.roomy
wait $ROOMY && fail "a sandbox denies nothing after another found no memory"
grep -q no-a /tmp/ev.roomy || fail "after another found no memory: $(cat /tmp/ev.roomy)"
nothing_left "a buffer without memory"

# Places that programs cannot be pinned in.
umount /sys/fs/bpf
refused "no bpf file system is mounted at /sys/fs/bpf: mount -t bpf bpf /sys/fs/bpf" env
[ ! -e /run/boesfs ] || fail "a refusal left $(find /run/boesfs | tr '\n' ' ')"
mount -t bpf -o ro bpf /sys/fs/bpf
refused "the bpf file system at /sys/fs/bpf is mounted read-only: mount -o remount,rw /sys/fs/bpf" env
nothing_left "a read-only bpf file system"
echo "passed: all"
