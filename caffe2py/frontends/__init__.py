"""Nets of other makers, read as ordinary graphs: each frontend makes a net's message and its blobs."""
