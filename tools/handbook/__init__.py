"""What the handbook's pages are made of besides their text."""
