#!/bin/sh
# Prints a fresh swarm key: 256 random bits. All nodes of a private swarm have the same, and nobody else may see it.
#     umask 077 && ipfs/swarm-key.sh > swarm.key
set -eu
printf '/key/swarm/psk/1.0.0/\n/base16/\n%s\n' "$(od -An -N32 -tx1 -v /dev/urandom | tr -d ' \n')"
