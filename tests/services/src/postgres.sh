# Keeps one PostgreSQL server: carries out the commands of its input, line by line, and ends the server with its input.
# The first argument is the folder of PostgreSQL's programs.
programs=$1
folder=$(mktemp -d "${TMPDIR:-/tmp}/waystation-postgres-XXXXXX") || exit 1
# A test that is interrupted, or whose process group is told to end, closes the input.
trap '' INT TERM HUP
# An order of text that is not that of its bytes, where the server has one, so that tests find out who relies on it.
create() {
    "$programs/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --no-sync "$@" </dev/null >>"$folder/log" 2>&1
}
if create --locale=C.UTF-8 --locale-provider=icu --icu-locale=en-US || { rm -rf "$folder/data"; create --locale=C; }; then
    echo ready
else
    tail -n 3 "$folder/log" | tr '\n' ' '
    rm -rf "$folder"
    exit 1
fi
while read -r command port settings; do
    case $command in
    start)
        "$programs/pg_ctl" -D "$folder/data" -l "$folder/log" -w -o "-p $port -c listen_addresses=127.0.0.1 \
            -c unix_socket_directories= -c max_connections=200 -c shared_buffers=64MB -c jit=off \
            -c max_wal_senders=0 -c wal_level=minimal $settings" start </dev/null >>"$folder/log" 2>&1
        ;;
    kill)
        "$programs/pg_ctl" -D "$folder/data" -m immediate -w stop </dev/null >>"$folder/log" 2>&1
        ;;
    *)
        false
        ;;
    esac && echo done || { tail -n 3 "$folder/log" | tr '\n' ' '; echo; }
done
"$programs/pg_ctl" -D "$folder/data" -m immediate -w stop </dev/null >/dev/null 2>&1
rm -rf "$folder"
