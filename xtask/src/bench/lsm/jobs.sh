# Measures whole jobs inside the machine: sh jobs.sh SETTING…
cp -a system/. / || exit 125
boesfs-testbench cost --prepare --depth 1,8,30,100 || exit 125
mkdir -p /work/tree && tar -x -f tree.tar -C /work/tree || exit 125
# Where gcc is, its own headers are.
own=$(dirname "$(find /usr/lib/gcc -name stddef.h | head -n 1)")

# What a setting runs, in one program.
cat >/work/jobs <<END
set -e
cost() { boesfs-testbench cost \$layer --samples 3 "\$@"; }
cost --before 'rm -rf /work/new; mkdir /work/new' --program 'untar=tar -x -f /root/tree.tar -C /work/new'
cost --program 'tar=tar -c -f /work/packed.tar -C /work/tree .'
cost --program 'find and stat=find /work/tree -type f -size +100'
cost --program 'compile=cc1 -quiet -nostdinc -isystem $own -isystem /usr/include -isystem /usr/include/x86_64-linux-gnu -O0 /src/native.c -o /work/native.s'
END

for setting; do
    echo "setting jobs:$setting"
    policy=${setting#*:}
    case $setting in
    baseline) sh /work/jobs ;;
    landlock) layer='--landlock /' sh /work/jobs ;;
    filter) layer=--filter sh /work/jobs ;;
    free:*)
        . ./idle.sh
        idle "$policy"
        sh /work/jobs
        status=$?
        release
        [ $status = 0 ]
        ;;
    confined:*)
        boesfs run --plane lsm --outside allow --events /dev/null "$policy" -- /bin/sh /work/jobs
        ;;
    *) false ;;
    esac || exit 1
done
