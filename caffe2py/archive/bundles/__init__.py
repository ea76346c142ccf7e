"""A bundle as files: bags, tars, hashes, signatures."""
