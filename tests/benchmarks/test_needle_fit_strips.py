"""A network that is fitted further starts from what was stored."""

from dataclasses import asdict

import numpy as np
import pytest
from benchmark_scripts import loaded

from usguide.detection._kernels.strip import CHANNELS, LOOK_SEEN, MAY_END
from usguide.detection.strips import SCALARS, strip_net

pytest.importorskip("torch", reason="fitting needs PyTorch: pip install torch")


@pytest.fixture(scope="module")
def fit_strips():
    return loaded("needle/fit_strips.py")


def test_a_stored_network_comes_back_as_it_was(fit_strips):
    stored = strip_net()
    again = fit_strips.as_net(fit_strips.as_reader(stored))
    for name, weights in asdict(stored).items():
        np.testing.assert_array_equal(getattr(again, name), weights, err_msg=name)


def test_a_fit_goes_on_from_a_network(fit_strips):
    rng = np.random.default_rng(0)

    def example(line):
        inputs = rng.normal(0, 1, (CHANNELS, 40)).astype(np.float16)
        inputs[[LOOK_SEEN, MAY_END]] = 1
        return fit_strips.Example(inputs, np.zeros(SCALARS, np.float32), line, 20.0 if line else np.nan, 1.0)

    few, stored = [example(k % 2 == 0) for k in range(8)], strip_net()
    further, anew = (fit_strips.fitted_strips(few, epochs=2, start=start) for start in (stored, None))
    assert 0 < np.abs(further.first - stored.first).max() < 0.01
    assert np.abs(anew.first - stored.first).max() > 0.1
