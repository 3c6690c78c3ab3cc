"""A device: trains on its own data, encrypts, checks every result itself; and the holder of a key share."""
