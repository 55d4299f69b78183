# Answers of memos against fresh ones while names move, policies are reloaded and mounts come and go, inside the machine:
# sh memo.sh SECONDS. Says how often they were the same, for memos as they are and for ones that are made to be wrong.
boesfs-testbench churn --prepare /churn || exit 125
mkdir /churn-mounts

for check in 1 2; do
    BOESFS_CHECK_MEMOS=$check boesfs run --plane lsm --name churn --outside allow --events /dev/null memo.bin -- \
        /bin/sh -c "echo >/churn-started; exec /usr/local/bin/boesfs-testbench churn --seconds $1 /churn" 2>/said &
    sandbox=$!
    waited=0
    until [ -e /churn-started ]; do
        sleep 0.2
        waited=$((waited + 1))
        [ $waited != 600 ] && kill -0 $sandbox || { cat /said; exit 125; }
    done
    (
        reloads=0
        while [ -e /churn-started ]; do
            for policy in memo-2 memo; do boesfs reload churn $policy.bin >/dev/null 2>&1 && reloads=$((reloads + 1)); done
            mount --bind /churn/one /churn-mounts && umount /churn-mounts
        done
        echo "reloads: $reloads"
    ) &
    others=$!
    boesfs-testbench churn --change --seconds "$1" /churn || exit 125
    wait $sandbox || { cat /said; exit 125; }
    rm /churn-started
    wait $others
    echo "check: $check"
    cat /said
done
