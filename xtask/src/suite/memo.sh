# Answers of memos against fresh ones while names move and policies are reloaded, inside the machine: sh memo.sh SECONDS
# ROUND... Says how often they were the same, for memos as they are and for ones that are made to be wrong: a round is what is
# done to memos, and the policy.
LENGTH=$1
shift

# What is remembered of the directory that the protected one lies in says nothing of that one; what is known of two names
# allows no move that gives a right; and what lies in a hidden directory is as hidden the third time.
mkdir -p /above/named/shut
echo >/above/plain
for name in w x y shut/file; do echo >/above/named/$name; done
boesfs run --plane lsm --dir /above/named --outside allow names.bin -- /bin/sh -c '
    for turn in 1 2 3; do
        for name in /above/plain /above/named/y; do
            touch $name && chmod 600 $name && mv $name $name.other && mv $name.other $name &&
                ln $name $name.other && rm $name.other || echo stuck $name
        done
        for name in /above/named /above/named/x; do
            touch $name && echo touched $name
            chmod 700 $name && echo changed $name
        done
        for name in /above/plain /above/named/w; do
            ln $name /above/named/z && echo linked $name
        done
        mv /above/named/w /above/named/z && echo moved
    done 2>/dev/null
    echo names: end'
boesfs run --plane lsm --dir /above/named --outside allow shut.bin -- /bin/sh -c '
    for turn in 1 2 3; do
        touch /above/named/y || echo stuck
        cat /above/named/shut/file && echo opened
        touch /above/named/shut/file && echo touched
        cd /above/named/shut && echo entered
    done 2>/dev/null
    echo shut: end'

for round in "$@"; do
    check=${round% *} policy=${round#* }
    rm -rf /churn
    boesfs-testbench churn --prepare /churn || exit 125
    BOESFS_CHECK_MEMOS=$check boesfs run --plane lsm --name churn --outside allow --events /dev/null $policy.bin -- \
        /bin/sh -c "echo >/churn-started; until [ -e /churn-go ]; do sleep 0.2; done
            /usr/local/bin/boesfs-testbench churn --seconds $LENGTH /churn
            status=\$?; echo >/churn-over; until [ -e /churn-end ]; do sleep 0.2; done; exit \$status" 2>/said &
    sandbox=$!
    waited=0
    until [ -e /churn-started ]; do
        sleep 0.2
        waited=$((waited + 1))
        [ $waited != 1500 ] && kill -0 $sandbox || { cat /said; exit 125; }
    done
    # The first reload attaches what judges descriptors that were opened before it: that takes its time.
    boesfs reload churn $policy-2.bin >/dev/null || exit 125
    # All is attached, and so it stays while there are two processors.
    echo 1 >/sys/devices/system/cpu/cpu1/online || exit 125
    echo >/churn-go
    (
        reloads=0
        while [ -e /churn-started ]; do
            for other in $policy $policy-2; do boesfs reload churn $other.bin >/dev/null 2>&1 && reloads=$((reloads + 1)); done
        done
        echo "reloads: $reloads"
    ) &
    others=$!
    # Renames would hide memos that outlive a reload.
    if [ $check = 3 ]; then sleep "$LENGTH"; else boesfs-testbench churn --change --seconds "$LENGTH" /churn || exit 125; fi
    until [ -e /churn-over ]; do
        sleep 0.2
        kill -0 $sandbox || { cat /said; exit 125; }
    done
    rm /churn-started
    wait $others
    echo 0 >/sys/devices/system/cpu/cpu1/online || exit 125
    echo >/churn-end
    wait $sandbox || { cat /said; exit 125; }
    rm /churn-go /churn-over /churn-end
    echo "check: $round"
    cat /said
done
