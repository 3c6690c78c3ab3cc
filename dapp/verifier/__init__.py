"""A verifier: staked, drawn by lot, votes on what it recomputed."""
