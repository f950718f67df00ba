#!/bin/sh
# Runs in the machine of machine.sh, as root: the programs of /run/stage/programs, each with its time limit. Prints the
# output of those that fail, and the names of skipped tests; exits with 1 if one has failed.
stage=/run/stage
top=$(cat $stage/workspace)
mkdir -p "$top"
mount --bind -o ro $stage/top "$top"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=/var/tmp RUST_BACKTRACE=1 TEPUI_SKIPPED_TESTS=/run/skipped
: >$TEPUI_SKIPPED_TESTS
ip link set lo up
echo "machine: Linux $(uname -r), $(systemctl --version | head -n 1), controllers: $(cat /sys/fs/cgroup/cgroup.controllers)"
code=0
tab=$(printf '\t')
while IFS=$tab read -r name program folder limit filter; do
  begin=$(cut -d' ' -f1 /proc/uptime)
  # shellcheck disable=SC2086 # an empty filter is no argument
  (cd "$folder" && CARGO_MANIFEST_DIR=$folder timeout --kill-after=10 "$limit" "$program" $filter >/run/output 2>&1 </dev/null)
  result=$?
  end=$(cut -d' ' -f1 /proc/uptime)
  seconds=$(awk "BEGIN { printf \"%.0f\", $end - $begin }")
  if [ $result -eq 0 ]; then
    echo "$name: passed in $seconds s, $(sed -n 's/^test result: ok. \([0-9]* passed\).*/\1/p' /run/output | tail -n 1)"
  else
    code=1
    [ $result -eq 124 ] && echo "$name: did not end within $limit s"
    cat /run/output
    echo "$name: FAILED in $seconds s (exit $result)"
  fi
done <$stage/programs
if [ -e "$top/target/debug/tepui" ]; then
  if /bin/sh $stage/delegation.sh "$top/target/debug/tepui" >/run/output 2>&1; then
    echo "delegation: passed"
  else
    code=1
    cat /run/output
    echo "delegation: FAILED"
  fi
fi
if [ -s $TEPUI_SKIPPED_TESTS ]; then
  echo "skipped:"
  sort -u $TEPUI_SKIPPED_TESTS
fi
left=$(find /sys/fs/cgroup -maxdepth 1 -name 'tepui-test-*')
if [ -n "$left" ]; then
  echo "cgroups are left: $left"
  code=1
fi
exit $code
