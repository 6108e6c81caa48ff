"""Numba kernels of needle detection: line search, profiles along a line, fitted trees."""
