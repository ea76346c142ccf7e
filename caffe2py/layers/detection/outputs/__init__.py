"""What nets end in: which things were found, and where."""
