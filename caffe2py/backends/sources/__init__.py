"""What was written of another maker's net, held against what that maker's own code makes of it."""
