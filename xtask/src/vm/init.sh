#!/bin/sh
# The first process of the guest: stage one leaves the initramfs, on which pivot_root is refused,
# for a tmpfs; stage two prepares the machine, runs /command and reports.
# Ports: ttyS0 kernel console, ttyS1 and ttyS2 the command's stdout and stderr, ttyS3 its exit status.
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LANG=C.UTF-8

if [ "$1" != stage-two ]; then
    busybox mkdir -p /next
    busybox mount -t tmpfs -o mode=755,size=75% root /next
    for entry in /bin /etc /root /usr /modules /init /command /end-mark; do busybox cp -a "$entry" /next/; done
    busybox mkdir -p /next/proc /next/sys /next/dev /next/tmp /next/run /next/mnt /next/sbin /next/var
    busybox mount -t devtmpfs dev /next/dev
    exec busybox switch_root -c /dev/console /next /init stage-two
fi

fail() {
    echo "failed: $1" >/dev/ttyS3
    busybox poweroff -f
}
# busybox asks /proc where it is itself.
busybox mount -t proc proc /proc || fail "cannot mount proc"
busybox --install -s /bin || fail "cannot install busybox"
mount -t sysfs sysfs /sys || fail "cannot mount sysfs"
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts || fail "cannot mount devpts"
mount -t tmpfs -o mode=1777 shm /dev/shm || fail "cannot mount a tmpfs at /dev/shm"
mount -t tmpfs -o mode=1777 tmp /tmp || fail "cannot mount a tmpfs at /tmp"
mount -t tmpfs -o mode=755 run /run || fail "cannot mount a tmpfs at /run"
mount -t bpf bpf /sys/fs/bpf || fail "cannot mount bpffs"
mount -t cgroup2 cgroup2 /sys/fs/cgroup || fail "cannot mount cgroup2"
mount -t securityfs securityfs /sys/kernel/security || fail "cannot mount securityfs"
for module in /modules/*; do
    [ ! -e "$module" ] || insmod "$module" || fail "cannot load ${module##*/}"
done
ln -s /proc/self/fd /dev/fd
# The mode a distribution's udev gives it.
[ ! -e /dev/fuse ] || chmod 666 /dev/fuse
ip link set lo up
hostname boesfs-vm

# Held open, so that the settings outlive the command and closing them waits until all is sent.
exec 3>/dev/ttyS1 4>/dev/ttyS2 5>/dev/ttyS3
for port in 1 2 3; do stty -F /dev/ttyS$port raw -echo 115200; done
echo started >&5
(
    exec 5>&-
    cd /root || exit 125
    exec setsid sh /command </dev/null >&3 2>&4 3>&- 4>&-
)
status=$?
kill -9 -1
cat /end-mark >&3
cat /end-mark >&4
exec 3>&- 4>&-
echo "exit $status" >&5
exec 5>&-
poweroff -f
