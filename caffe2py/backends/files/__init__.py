"""One module for each kind of file that a graph is written as."""
