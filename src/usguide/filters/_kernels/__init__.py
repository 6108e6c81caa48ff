"""Numba kernels of the filters: contiguous float32 in and out, borders repeat the edge pixel.

Inner loops run over whole rows without branches, so that the compiler vectorises them; every literal is wrapped in
float32, because one float64 constant halves a kernel's speed. A kernel takes the rows ``y0..y1`` it has to make, so that
slabs of one picture can be made by several threads; a row's arithmetic never depends on the slab it is in.
"""
