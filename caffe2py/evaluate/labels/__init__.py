"""Classes, their orders, and which image is of which."""
