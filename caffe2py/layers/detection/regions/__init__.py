"""What is done with regions of interest, once they are known."""
