"""Who is drawn: the rules of sortition, in Python as in Solidity."""
