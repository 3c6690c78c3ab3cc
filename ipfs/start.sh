#!/bin/sh
# Starts kubo in the repository $IPFS_PATH (~/.ipfs), in the private swarm of the key beside its configuration.
#     IPFS_PATH=/var/lib/cairn/ipfs ipfs/start.sh
# KUBO_API, KUBO_GATEWAY and KUBO_SWARM name other addresses than those of configure.sh; PEERS, separated by blanks,
# the nodes of the swarm to connect to: /ip4/192.0.2.7/tcp/4001/p2p/12D3Koo…
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export IPFS_PATH="${IPFS_PATH:-$HOME/.ipfs}"
export LIBP2P_FORCE_PNET=1      # without a key kubo refuses to start, instead of joining the public network
export IPFS_TELEMETRY=off
command -v ipfs >/dev/null || { echo "start.sh: no ipfs on PATH; \`make nodes\` builds one" >&2; exit 1; }
[ -f "$IPFS_PATH/swarm.key" ] || {
    echo "start.sh: $IPFS_PATH/swarm.key is missing: copy the swarm's, or make one for a new swarm with swarm-key.sh" >&2
    exit 1
}
chmod 600 "$IPFS_PATH/swarm.key"
[ -f "$IPFS_PATH/config" ] || ipfs init >/dev/null
"$here/configure.sh"
peers='' separator=''
for peer in ${PEERS:-}; do
    peers="$peers$separator{\"ID\": \"${peer##*/p2p/}\", \"Addrs\": [\"${peer%/p2p/*}\"]}"
    separator=', '
done
ipfs config --json Peering.Peers "[$peers]"
exec ipfs daemon
