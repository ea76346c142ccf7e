"""What a comparison found, as values, text and pages."""
