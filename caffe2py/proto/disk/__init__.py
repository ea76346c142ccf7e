"""Files on the disk: opened, written whole, hashed, told apart."""
