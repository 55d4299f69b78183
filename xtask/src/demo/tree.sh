# Makes the demo's tree in folder $1.
set -eu
mkdir -p "$1/docs" "$1/build" "$1/private"
echo 'read me' >"$1/docs/readme"
echo 'a secret' >"$1/build/deploy.key"
echo 'a tool' >"$1/build/tool"
echo 'begun' >"$1/build/journal"
echo 'a diary' >"$1/private/diary"
