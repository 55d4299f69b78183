# Runs CMD in a machine with its second processor on, and what a sandbox of POLICY needs attached by then and until it is off
# again: sh second.sh POLICY CMD... For the emulator at times runs what one processor has just patched away on the other.
POLICY=$1 ON=/sys/devices/system/cpu/cpu1/online
shift
boesfsc build --allow all "$POLICY" -o /second.bin >/second-said 2>&1 || { cat /second-said; exit 125; }
boesfs run --plane lsm --name second --outside allow /second.bin -- \
    /bin/sh -c 'echo >/second-there; until [ -e /second-end ]; do sleep 0.5; done' >/second-said 2>&1 &
until [ -e /second-there ]; do
    sleep 0.5
    kill -0 $! || { cat /second-said; exit 125; }
done
echo 1 >$ON && grep -q '^0-1$' /sys/devices/system/cpu/online || exit 125
"$@"
status=$?
echo 0 >$ON || exit 125
echo >/second-end
wait || exit 125
exit $status
