"""The biopsy frames whose truth was read by eye: plain, mirrored, turned and rescaled."""

import json
import math

import cv2
import numpy as np
import pytest

import usguide as ug

SPACING_MM = 0.0593


def whole(pixels, roi):
    return pixels, roi, SPACING_MM, "left", lambda p: p, 0


def mirrored(pixels, roi):
    last, (x, y, w, h) = pixels.shape[1] - 1, roi
    return pixels[:, ::-1], (last + 1 - x - w, y, w, h), SPACING_MM, "right", lambda p: (last - p[0], p[1]), 0


def turned(degrees):
    def turn(pixels, roi):
        x, y, w, h = roi
        matrix = cv2.getRotationMatrix2D((x + (w - 1) / 2, y + (h - 1) / 2), -degrees, 1.0)
        box = np.zeros_like(pixels)
        box[y : y + h, x : x + w] = pixels[y : y + h, x : x + w]
        return (
            cv2.warpAffine(box, matrix, pixels.shape[::-1]),
            roi,
            SPACING_MM,
            "left",
            lambda p: matrix @ (*p, 1.0),
            degrees,
        )

    return turn


def rescaled(factor):
    def scale(pixels, roi):
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        small = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=how)
        new_roi = tuple(int(v * factor) for v in roi)
        return small, new_roi, SPACING_MM / factor, "left", lambda p: [(v + 0.5) * factor - 0.5 for v in p], 0

    return scale


VARIANTS = {
    "whole": whole,
    "mirrored": mirrored,
    "turned +10": turned(10),
    "turned -10": turned(-10),
    "x 0.7": rescaled(0.7),
    "x 1.4": rescaled(1.4),
}


MISSED = [("45.png", "turned +10")]
"""Another line comes first: in this needle's picture none is convincing, and a little decides between the lines."""
CASES = [
    pytest.param(name, variant, marks=pytest.mark.xfail(reason="another line comes first"))
    if (name, variant) in MISSED
    else (name, variant)
    for name in ("30.png", "45.png", "69.png")
    for variant in VARIANTS
]


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_biopsy_needle(recordings, name, variant):
    folder = recordings / "biopsy-needle"
    truth = json.loads((folder / "truth_by_eye.json").read_text(encoding="utf-8"))
    roi = tuple(truth["roi"][k] for k in ("x", "y", "width", "height"))
    pixels = cv2.imread(str(folder / name), cv2.IMREAD_GRAYSCALE)
    pixels, roi, spacing, side, move, turn = VARIANTS[variant](pixels, roi)
    frame = ug.Frame(pixels, ug.ImageGeometry(spacing, spacing), region=roi)
    shaft = ug.detect_shafts(frame, prior=ug.InsertionPrior(side, (15, 60)))[0]
    tip_mm = frame.geometry.to_mm(move(truth["frames"][name]["tip"]))
    assert math.dist(shaft.distal_mm, tip_mm) < 1.5
    assert abs(shaft.angle_deg - turn - truth["frames"][name]["angle_deg"]) < 2.0
