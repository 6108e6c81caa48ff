"""Numba kernels of the injectate: outlines."""
