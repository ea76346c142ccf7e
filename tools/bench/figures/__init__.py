"""The benchmarks: each file has HEADS, and `rows()`, which measures and gives one row after the other."""
