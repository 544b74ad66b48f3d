"""Encoded bytes -> pixels -> what the networks are fed, and their outputs -> values.  Pure functions."""
