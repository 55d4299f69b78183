# The demo inside the machine, on the lsm plane. Ends with a line `==== events` and the event file.
# A copy, so that dd is a program of its own here too.
mkdir -p /usr/bin && cp /bin/busybox /usr/bin/dd || exit 125
sh tree.sh /srv/demo || exit 125
boesfs run --plane lsm --dir /srv/demo --outside allow --events events policy.bin -- \
    /bin/sh attempts.sh /srv/demo lsm
status=$?
echo '==== events'
cat events
exit $status
