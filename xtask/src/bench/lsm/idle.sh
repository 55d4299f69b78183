# idle POLICY: starts a sandbox that does nothing, and waits until its command runs. release: ends it.
idle() {
    rm -f /idle
    boesfs run --plane lsm --outside allow --events /dev/null "$1" -- \
        /bin/sh -c 'echo >/idle; while true; do sleep 1000; done' >&2 &
    idle=$!
    waited=0
    until [ -e /idle ]; do
        sleep 1
        waited=$((waited + 1))
        if [ $waited = 300 ] || ! kill -0 $idle; then
            echo 'the sandbox did not come up' >&2
            exit 125
        fi
    done
}

release() {
    kill $idle
    wait $idle
    return 0
}
