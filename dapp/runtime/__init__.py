"""What runs the roles: the clock, and the loop that moves them."""
