"""Make findpeaks.npz: what findpeaks' Lee, Kuan and Frost give on one 64 x 64 picture.

Needs ``pip install findpeaks``; too heavy and too slow (20 s a filter) to run with the tests.
"""

from importlib.metadata import version
from pathlib import Path

import findpeaks
import numpy as np
from scipy import ndimage

rng = np.random.default_rng(64)
echo = ndimage.gaussian_filter(rng.normal(size=(2, 64, 64)), (0, 1, 1.6))
image = np.hypot(*echo)
image[20:44, 22:46] *= 2.5
image = np.clip(60 * image / image.mean(), 1, 255).astype(np.uint8)
np.savez_compressed(
    Path(__file__).with_name("findpeaks.npz"),
    version=version("findpeaks"),
    image=image,
    lee=findpeaks.stats.lee_filter(image, win_size=7, cu=0.25),
    kuan=findpeaks.stats.kuan_filter(image, win_size=7, cu=0.25),
    frost=findpeaks.stats.frost_filter(image, damping_factor=2.0, win_size=7),
)
