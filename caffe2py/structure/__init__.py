"""What repeats in a net, found from its graph alone: blocks, blocks in blocks, and what to call them."""
