"""The contracts, the chain that they run on, and the keys that act on it. The only importer of an Ethereum library."""
