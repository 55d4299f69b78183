# Tries things in folder $1 on plane $2 and says what came of each. Exits with the number of surprises.
cd "$1" || exit 100
surprises=0
# No LSM hook sees the names that a listing gives: there a hidden name shows and cannot be reached.
case $2 in
fuse) listing=denied ;;
lsm) listing=allowed ;;
*) exit 101 ;;
esac

# try EXPECTED WHAT COMMAND: COMMAND is a line of shell, run by a shell of its own.
try() {
    if said=$(sh -c "$3" 2>&1); then outcome=allowed; else outcome=denied; fi
    note=
    if [ "$outcome" != "$1" ]; then
        note="    (expected: $1; $said)"
        surprises=$((surprises + 1))
    fi
    printf '%-8s %s%s\n' "$outcome" "$2" "$note"
}

try allowed 'read docs/readme'                          'cat docs/readme'
try denied  'append to docs/readme'                     'echo more >>docs/readme'
try denied  'remove docs/readme'                        'rm -f docs/readme'
try denied  'make docs/new'                             'echo new >docs/new'
try allowed 'write build/out'                           'echo out >build/out'
try allowed 'make the directory build/sub'              'mkdir build/sub'
try denied  'read build/deploy.key'                     'cat build/deploy.key'
try denied  'link build/deploy.key to build/alias'      'ln build/deploy.key build/alias'
try denied  'rename build/deploy.key to build/plain'    'mv build/deploy.key build/plain'
try denied  'make build/sub/new.key'                    'echo new >build/sub/new.key'
try denied  'rename build/out to docs/out'              'mv build/out docs/out'
try denied  'chmod 666 build/out'                       'chmod 666 build/out'
try allowed 'chmod 600 build/out'                       'chmod 600 build/out'
try allowed 'append to build/journal by the shell'      'echo more >>build/journal'
try denied  'append to build/journal by dd'             'echo more | /usr/bin/dd of=build/journal oflag=append conv=notrunc'
try denied  'read private/diary'                        'cat private/diary'
try $listing 'see private in a listing'                  'printf "%s\n" * | grep private'
try allowed 'rename build/out to build/done'            'mv build/out build/done'
try allowed 'remove build/done'                         'rm build/done'
exit $surprises
