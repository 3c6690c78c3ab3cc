"""The round and the vote as state machines, and the values that they and the contracts share. Pure."""
