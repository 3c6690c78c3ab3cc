#!/bin/sh
# Makes an initialised kubo repository ($IPFS_PATH) a member of a private swarm and of nothing else.
# kubo's container image runs it from /container-init.d before every start; start.sh runs it too.
set -eu
ipfs config --json Bootstrap '[]'                       # nobody outside is asked for peers
ipfs config --json AutoConf.Enabled false               # nor kubo's makers for settings
ipfs config Plugins.Plugins.telemetry.Config.Mode off   # nor told anything
ipfs config --json Discovery.MDNS.Enabled false
ipfs config --json AutoTLS.Enabled false
ipfs config --json Swarm.RelayClient.Enabled false
ipfs config --json Swarm.RelayService.Enabled false
ipfs config --json Swarm.DisableNatPortMap true
ipfs config --json DNS.Resolvers '{}'
ipfs config --json Ipns.DelegatedPublishers '[]'
ipfs config --json Routing.DelegatedRouters '[]'
ipfs config Routing.Type dht
ipfs config --json Swarm.Transports.Network.Websocket false   # private swarms speak plain TCP only
ipfs config Addresses.API "${KUBO_API:-/ip4/127.0.0.1/tcp/5001}"
ipfs config Addresses.Gateway "${KUBO_GATEWAY:-/ip4/127.0.0.1/tcp/8080}"
ipfs config --json Addresses.Swarm "[\"${KUBO_SWARM:-/ip4/127.0.0.1/tcp/4001}\"]"
