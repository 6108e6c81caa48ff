"""All orientations of PLUS are brought to one, and the transforms say the same of every spot of tissue."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usguide.errors import InputError
from usguide.io.orientation import Orientation

# A marked spot: U M are the columns, N F the rows of the canonical picture.
CANONICAL = np.array([[1, 2, 3], [4, 5, 6]])
STORED = {
    "MF": [[1, 2, 3], [4, 5, 6]],
    "UF": [[3, 2, 1], [6, 5, 4]],
    "MN": [[4, 5, 6], [1, 2, 3]],
    "UN": [[6, 5, 4], [3, 2, 1]],
    "FM": [[1, 4], [2, 5], [3, 6]],
    "FU": [[3, 6], [2, 5], [1, 4]],
    "NM": [[4, 1], [5, 2], [6, 3]],
    "NU": [[6, 3], [5, 2], [4, 1]],
}
LETTERS = [*STORED, "MFA", "UFD", "MNA", "UNA", "UND", "FMD", "mf", " MFA "]


@pytest.mark.parametrize("letters", STORED)
def test_every_orientation_is_turned_to_the_canonical_one(letters):
    stored = np.array(STORED[letters])
    orientation = Orientation.parse(letters)
    np.testing.assert_array_equal(orientation.apply(stored), CANONICAL)
    assert orientation.shape(stored.shape) == CANONICAL.shape
    colour = np.stack([stored, stored + 10, stored + 20], axis=-1)
    np.testing.assert_array_equal(orientation.apply(colour)[..., 2], CANONICAL + 20)
    axial, lateral = ("rows", "columns") if letters[0] in "MU" else ("columns", "rows")
    assert orientation.spacing(("rows", "columns")) == (axial, lateral)


@pytest.mark.parametrize("letters", STORED)
def test_a_spot_stays_where_it_is_in_the_room(letters):
    stored = np.array(STORED[letters])
    orientation = Orientation.parse(letters)
    to_probe = np.array([[0.1, 0.02, 0, 5], [-0.03, 0.2, 0, 7], [0, 0, 1, 2], [0, 0, 0, 1]])
    turned = orientation.adapt("ImageToProbe", to_probe, stored.shape)
    back = orientation.adapt("ProbeToImage", np.linalg.inv(to_probe), stored.shape)
    for value in CANONICAL.ravel():
        (y,), (x,) = np.nonzero(np.equal(CANONICAL, value))
        (row,), (column,) = np.nonzero(stored == value)
        np.testing.assert_allclose(turned @ [x, y, 0, 1], to_probe @ [column, row, 0, 1], atol=1e-12)
    np.testing.assert_allclose(back @ turned, np.eye(4), atol=1e-12)
    np.testing.assert_array_equal(orientation.adapt("ProbeToTracker", to_probe, stored.shape), to_probe)


@pytest.mark.parametrize("letters", LETTERS)
def test_a_third_letter_and_case_change_nothing(letters):
    assert Orientation.parse(letters) == Orientation.parse(letters.strip().upper()[:2])


@given(st.text(max_size=6) | st.text("MUFNAD", max_size=4))
def test_any_text_is_read_or_refused(text):
    known = text.strip().upper()[:2] in STORED and text.strip().upper()[2:] in ("", "A", "D")
    if known:
        Orientation.parse(text)
    else:
        with pytest.raises(InputError, match="UltrasoundImageOrientation"):
            Orientation.parse(text)
