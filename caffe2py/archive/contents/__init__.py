"""What stands in a bundle, and what it says of itself."""
