# Measures settings inside the machine: sh guest.sh OPERATIONS DEPTHS SETTING…
# Before the results of each setting stands a line with its name.
operations=$1 depths=$2
shift 2
# The first path of a tree of directories that is measured must be there before a policy forbids to make it.
boesfs-testbench cost --prepare --depth "$depths" || exit 125

# Every operation, if none is named.
what="cost --samples 9 ${operations:+--operation $operations} --depth $depths"
cost() { boesfs-testbench $what "$@"; }

. ./idle.sh

for setting; do
    echo "setting $setting"
    policy=${setting#*:}
    case $setting in
    baseline) cost --denied false ;;
    filter) cost --filter --denied false ;;
    landlock) cost --landlock / --denied false ;;
    empty:*) cost --empty "$policy" --denied false ;;
    free:*)
        idle "$policy"
        cost --denied false
        status=$?
        release
        [ $status = 0 ]
        ;;
    elsewhere:*)
        idle "$policy"
        unshare -m boesfs-testbench $what --denied false
        status=$?
        release
        [ $status = 0 ]
        ;;
    confined:*)
        boesfs run --plane lsm --outside allow --events /dev/null "$policy" -- \
            /usr/local/bin/boesfs-testbench $what --denied true
        ;;
    *) false ;;
    esac || exit 1
done
