"""Render the phantoms that ship in data/phantoms, or check that they are what this code renders.

python scripts/make_phantoms.py            render and write
python scripts/make_phantoms.py --check    compare with the files; exit code 1 where they differ
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from usguide._shipped import shipped_folder
from usguide.phantoms import SHIPPED, render_phantom, save_phantom


def main() -> int:
    """Render or check every shipped phantom."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--only", choices=SHIPPED, metavar="NAME", help="just this one")
    options = parser.parse_args()
    status = 0
    for name, (scene, seed) in SHIPPED.items():
        if options.only not in (None, name):
            continue
        phantom, path = render_phantom(scene, seed=seed), shipped_folder() / f"{name}.npz"
        if not options.check:
            save_phantom(path, phantom, scene, seed)
            print(f"{path}: {len(phantom.frames)} frames, {path.stat().st_size / 1e6:.1f} MB")
            continue
        with np.load(path) as stored:
            same_size = stored["frames"].shape == phantom.frames.shape
            off = np.abs(stored["frames"].astype(int) - phantom.frames) > 0 if same_size else np.ones(1)
        print(f"{name}: {off.mean():.2e} of the pixels differ")
        # Another processor may round a grey level the other way; more than that is another phantom.
        status |= int(off.mean() > 1e-3)
    return status


if __name__ == "__main__":
    sys.exit(main())
