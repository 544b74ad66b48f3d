"""Encoded bytes -> pixels -> what the networks are fed, and their outputs -> values.  Pure functions."""

from of3.engines.machine import opencv_version

opencv_version()  # before a module below it meets half an OpenCV: an ImportError with the remedy
