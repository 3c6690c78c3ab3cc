"""An edge server (the papers' miner): relays, adds up ciphertexts, opens sums, does the chores."""
