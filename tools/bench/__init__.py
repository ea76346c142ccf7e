"""Measure on this machine, as ratios taken in one run, and put the tables into the handbook. See `make bench`."""
