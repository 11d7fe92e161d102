#!/usr/bin/env bash
# The second hop, for which CredSSP is there: A (pywinrm) asks B (winrm_server) for a file that is on C (Samba). B can log on to C
# only with what A has delegated. All three are on loopback addresses of this machine, and end with this script.
#
# As root, after `tests/peers/install winrm samba_ad`:
#   examples/multi_hop.sh
# WINRM_SERVER names a winrm_server that is built already, CREDSSP_PEERS_DIR the folder of the peers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
peers=${CREDSSP_PEERS_DIR:-target/peers}
c=127.11.$((RANDOM % 250 + 1)).$((RANDOM % 250 + 1))
folder=$(mktemp -d)
started=()
domain=

finish() {
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
  if [ -n "$domain" ]; then
    exec {domain}>&- # By the end of its standard input, the domain ends.
    wait "$domain_pid" || true
  fi
  rm -rf "$folder"
}
trap finish EXIT

fail() {
  echo "multi_hop: $1" >&2
  cat "$folder"/*.err >&2
  exit 1
}

# said FILE PATTERN: the line of FILE for which PATTERN stands, as soon as there is one.
said() {
  for _ in $(seq 600); do
    if grep -m 1 -- "$2" "$1" 2>/dev/null; then return; fi
    sleep 0.05
  done
  fail "$1 says no $2"
}

[ -x "$peers/winrm/bin/python" ] && [ -d "$peers/samba_ad" ] && [ "$(id -u)" = 0 ] ||
  fail 'this takes root, and tests/peers/install winrm samba_ad before'
if [ -z "${WINRM_SERVER:-}" ]; then
  cargo build --quiet --features self-signed,tokio --example winrm_server
  WINRM_SERVER=${CARGO_TARGET_DIR:-target}/debug/examples/winrm_server
fi
exec {domain}> >(exec tests/peers/samba_ad "$c" >"$folder/c.out" 2>"$folder/c.err")
domain_pid=$!
ready=$(said "$folder/c.out" ready)
domain_folder=${ready#ready }
echo "C: the share //dc1.ad.example/share of AD.EXAMPLE, at $c"

# A ends with its standard input: here is one that does not end.
mkfifo "$folder/open"
exec {open}<>"$folder/open"
# No password stands on a command line.
umask 077
echo 'AD.EXAMPLE\alice:pass-canary' >"$folder/accounts"
export WINRM_PASSWORD=pass-canary

# b NAME OPTION...: starts B at $url; $b.out is what it says.
b() {
  b=$folder/$1
  shift
  "$WINRM_SERVER" --listen 127.0.0.1:0 --https --cert tests/data/test-only-rsa2048.pem --key tests/data/test-only-rsa2048.pem \
    --accounts "$folder/accounts" --negotiate --hand-over \
    --command "report=examples/multi_hop/fetch //dc1.ad.example/share $c hello.txt" "$@" >"$b.out" 2>"$b.err" &
  started+=($!)
  url=$(said "$b.out" listening)
  url=${url#*:\"} url=https://${url%\"*}/wsman
}

# a TRANSPORT: runs A, and shows what the three say.
a() {
  local from
  from=$(wc -c <"$domain_folder/samba.log")
  echo "A: winrm.Session('$url', transport='$1').run_cmd('report')"
  timeout 60 "$peers/winrm/bin/python" tests/peers/winrm_peer.py client "$url" --library pywinrm --transport "$1" \
    --user 'AD.EXAMPLE\alice' run report <&"$open" | sed 's/^/A: /'
  tail -n 1 "$b.out" | sed 's/^/B: /'
  tail -c "+$((from + 1))" "$domain_folder/samba.log" | "$peers/winrm/bin/python" -c '
import json, sys
for line in sys.stdin:
    if "\"serviceDescription\": \"SMB2\"" in line and "\"type\": \"Authorization\"" in line:
        logon = json.loads(line[line.index("{"):])["Authorization"]
        print("C: {account} of {domain} logs on by {authType}".format(**logon))
' || true
}

echo; echo '-- B knows no KDC: NTLM to C'
b ntlm
a ntlm
a credssp
echo; echo '-- B knows the KDC: Kerberos to C'
b kerberos --krb5-conf "$domain_folder/krb5.conf"
a ntlm
a credssp
