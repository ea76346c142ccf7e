"""What every style of text is written with: the emitter, the frame of a file, the layout of its lines."""
