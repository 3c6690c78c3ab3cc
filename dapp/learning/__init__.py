"""Learning, pure: no clock, no files but the package's own, no chance but from seeds passed in."""
