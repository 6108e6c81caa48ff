"""Numba kernels of the injectate."""
