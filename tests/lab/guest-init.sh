#!/bin/sh
# The first process of a guest (lab/guest.py). Kernel arguments of the form NAME=value arrive as environment variables.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
# The machine's files are read-only: what programs want to write goes into memory.
mount -t tmpfs run /run
mount -t tmpfs tmp /mnt && export TMPDIR=/mnt
mkdir -p /dev/shm /dev/pts
mount -t tmpfs shm /dev/shm
mount -t devpts devpts /dev/pts
mount -t hostfs out "$FOLDER" -o "$FOLDER" && mount -o remount,rw "$FOLDER"
echo "$MODPROBE" > /proc/sys/kernel/modprobe
"$MODPROBE" --quiet ipv6
ip link set lo up
cd "$FOLDER" && sh ./job
echo $? > status.new && mv status.new status
echo o > /proc/sysrq-trigger
sleep 60
