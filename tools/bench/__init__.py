"""Benchmarks: each file with a `main()` is one, and prints ratios taken in one run. `make bench` runs them all."""
