"""What can be verified: a module in memory, and every kind of converted file."""
