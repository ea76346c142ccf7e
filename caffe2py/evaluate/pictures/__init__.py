"""Images to input blobs."""
