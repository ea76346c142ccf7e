"""The layers of a running net: what each reads, writes and keeps, forward and backward."""
