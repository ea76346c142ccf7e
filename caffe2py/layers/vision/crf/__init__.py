"""What smooths scores by the pixels around them, and by those of like colour."""
