"""What is probably wrong with a layer."""
