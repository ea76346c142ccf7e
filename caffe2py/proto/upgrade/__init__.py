"""Nets of 2013 and 2014 become today's."""
