"""Convolutions and poolings over more than two axes."""
