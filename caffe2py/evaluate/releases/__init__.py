"""Known releases: their files, their nets, and how a file is told to be one."""
