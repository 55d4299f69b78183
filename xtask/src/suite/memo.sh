# Answers of memos against fresh ones while names move and policies are reloaded, inside the machine: sh memo.sh SECONDS.
# Says how often they were the same, for memos as they are and for ones that are made to be wrong.
boesfs-testbench churn --prepare /churn || exit 125

for check in 1 2 3; do
    BOESFS_CHECK_MEMOS=$check boesfs run --plane lsm --name churn --outside allow --events /dev/null memo.bin -- \
        /bin/sh -c "echo >/churn-started; until [ -e /churn-go ]; do sleep 0.2; done
            exec /usr/local/bin/boesfs-testbench churn --seconds $1 /churn" 2>/said &
    sandbox=$!
    waited=0
    until [ -e /churn-started ]; do
        sleep 0.2
        waited=$((waited + 1))
        [ $waited != 600 ] && kill -0 $sandbox || { cat /said; exit 125; }
    done
    # The first reload attaches what judges descriptors that were opened before it: that takes its time.
    boesfs reload churn memo-2.bin >/dev/null || exit 125
    echo >/churn-go
    (
        reloads=0
        while [ -e /churn-started ]; do
            for policy in memo memo-2; do boesfs reload churn $policy.bin >/dev/null 2>&1 && reloads=$((reloads + 1)); done
        done
        echo "reloads: $reloads"
    ) &
    others=$!
    # Renames would hide memos that outlive a reload.
    if [ $check = 3 ]; then sleep "$1"; else boesfs-testbench churn --change --seconds "$1" /churn || exit 125; fi
    wait $sandbox || { cat /said; exit 125; }
    rm /churn-started /churn-go
    wait $others
    echo "check: $check"
    cat /said
done
