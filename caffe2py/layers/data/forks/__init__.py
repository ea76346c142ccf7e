"""Data layers of forks: inputs of a net that runs, of the size that their parameters tell."""
