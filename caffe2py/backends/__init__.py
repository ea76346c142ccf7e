"""Graph to torch source, to a running module, and to files; one module for each kind of file."""
