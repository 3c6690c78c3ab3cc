"""The mathematics: Paillier, packing, threshold decryption by opening, proofs, Merkle roots, CIDs, leverage.

Everything here is pure: no clock, no I/O, and no source of randomness but the ``RandomBits`` that a caller passes in.
"""
