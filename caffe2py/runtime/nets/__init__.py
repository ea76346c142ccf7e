"""A net that runs: how it is made (`making`), forward and backward (`net`), and what it tells while it is made."""
