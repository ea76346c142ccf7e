"""SENets: the architectures, as prototxts, and the layouts in which others keep their weights."""
