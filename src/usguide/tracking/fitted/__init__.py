"""Fitted numbers, and nothing else; `benchmarks/needle/fit.py` makes them."""
