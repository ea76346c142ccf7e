"""Graph to torch: the text, and that text as a module that runs."""
