"""The segmenter on scenes whose truth is known: it finds fluid, and nothing that is none."""

from dataclasses import replace

import cv2
import injectate_scenes as scenes
import numpy as np
import pytest
from injectate_scenes import RATE_HZ, SPACING_MM, TIP_MM, dice, injection, track

import usguide as ug
from usguide.injectate import InjectateSegmenter

ONSET_S = 1.5


def run(frames, *, needle=track, seed=None, segmenter=None):
    """Results frame by frame; `needle` gives the track, `seed` a point instead."""
    segmenter = segmenter or InjectateSegmenter()
    if seed is not None:
        segmenter.seed(seed)
    return [segmenter.update(f, None if needle is None else needle()) for f in frames]


@pytest.mark.parametrize(("echo", "least"), [(0.05, 0.9), (0.3, 0.8)])
def test_a_growing_disc_is_found_and_followed(echo, least):
    frames, masks = injection(echo=echo)
    results = run(frames)
    late = [k for k, f in enumerate(frames) if f.timestamp_s > ONSET_S + 0.8]
    found = [dice(results[k].mask_on(frames[k]), masks[k]) for k in late]
    assert np.median(found) > least
    area = masks[late[-1]].sum() * SPACING_MM**2
    assert results[-1].area_mm2 == pytest.approx(area, rel=0.15)
    assert len(results[-1].pools) == 1
    assert results[-1].confidence > 0.5


def test_the_onset_is_dated_to_a_frame_that_shows_fluid():
    frames, masks = injection()
    results = run(frames)
    first = frames[int(np.flatnonzero(masks.any(axis=(1, 2)))[0])].timestamp_s
    assert first <= results[-1].onset_s <= first + 0.4
    assert any(f.timestamp_s == results[-1].onset_s for f in frames)
    reported = next(f.timestamp_s for f, r in zip(frames, results, strict=True) if r.pools)
    assert reported <= first + 0.8


def test_a_result_knows_nothing_of_later_frames():
    frames, _ = injection()
    whole, part = run(frames), run(frames[:40])
    for a, b in zip(whole, part, strict=False):
        np.testing.assert_array_equal(a.mask, b.mask)
        assert a.onset_s == b.onset_s


def test_a_mirrored_recording_gives_mirrored_results():
    frames, _ = injection()
    width = (scenes.SHAPE[1] - 1) * SPACING_MM

    def mirrored():
        return track((width - TIP_MM[0], TIP_MM[1]), (width, 4.0))

    plain = run(frames)[-1]
    other = run([replace(f, pixels=np.ascontiguousarray(f.pixels[:, ::-1])) for f in frames], needle=mirrored)[-1]
    assert dice(plain.mask, other.mask[:, ::-1]) > 0.93
    assert other.onset_s == pytest.approx(plain.onset_s, abs=1.1 / RATE_HZ)


@pytest.mark.parametrize("scale", [0.7, 1.4])
def test_a_resampled_recording_gives_the_same_millimetres(scale):
    frames, _ = injection()
    h, w = scenes.SHAPE
    size = (round(w * scale), round(h * scale))
    resampled = [
        replace(
            f,
            pixels=cv2.resize(f.pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR),
            geometry=f.geometry.resampled((h, w), size[::-1]),
        )
        for f in frames
    ]
    plain, other = run(frames)[-1], run(resampled)[-1]
    assert other.area_mm2 == pytest.approx(plain.area_mm2, rel=0.1)
    assert other.centroid_mm == pytest.approx(plain.centroid_mm, abs=0.3)


def test_fluid_moves_with_the_tissue():
    def shift(t):
        return 2.5 * np.sin(1.2 * t), 0.8 * np.sin(2.0 * t)

    frames, masks = injection(shift_mm=shift)
    segmenter = InjectateSegmenter()
    for f in frames:
        dx, dz = shift(f.timestamp_s)
        result = segmenter.update(f, track((TIP_MM[0] + dx, TIP_MM[1] + dz), (dx, 4.0 + dz)))
    assert dice(result.mask_on(frames[-1]), masks[-1]) > 0.85


def nothing_happens(seconds=3.0):
    return injection(seconds, onset_s=99.0)[0]


def test_still_tissue_has_no_fluid():
    assert not any(r.pools for r in run(nothing_happens()))


@pytest.mark.parametrize("step_db", [-8.0, 6.0])
def test_a_step_of_the_gain_is_no_fluid(step_db):
    frames, _ = injection(onset_s=99.0, gain_db=lambda t: step_db * (t > 1.4))
    assert not any(r.pools for r in run(frames))


@pytest.mark.parametrize("dimmer", [65, 75])
def test_dark_tissue_that_less_gain_turns_black_is_not_learnt_as_grey(dimmer):
    bright, _ = injection(5.0, onset_s=99.0, gain_db=lambda t: -12.0 * (1.0 < t < 2.8) + 6.0 * (t >= 2.8))
    frames = [replace(f, pixels=np.maximum(f.pixels, dimmer) - dimmer) for f in bright]
    assert not any(r.pools for r in run(frames))


def test_tissue_that_turns_black_at_even_gain_is_learnt_as_black():
    frames, _ = injection(14.0, onset_s=99.0)
    x, z = scenes.grid_mm()
    black = (abs(x - TIP_MM[0]) < 3) & (abs(z - TIP_MM[1]) < 3)
    frames = [replace(f, pixels=np.where(black & (f.timestamp_s > 1.0), 0, f.pixels).astype(np.uint8)) for f in frames]
    segmenter = InjectateSegmenter()
    early = [segmenter.update(f) for f in frames if f.timestamp_s < 12.0]
    segmenter.seed(TIP_MM)
    assert not any(r.pools for r in early + [segmenter.update(f) for f in frames if f.timestamp_s >= 12.0])


def test_a_vessel_that_pulsates_beside_the_tip_stays_out():
    tissue = scenes.speckle(3).astype(np.float32)
    x, z = scenes.grid_mm()
    dx, dz = x - TIP_MM[0] - 3.5, z - TIP_MM[1]
    away = np.maximum(np.hypot(dx, dz), 1e-6)
    frames = []
    for k in range(48):
        wide = 2.0 + 0.1 * np.sin(2 * np.pi * 1.2 * k / RATE_HZ)
        # Tissue gives way and keeps its area.
        rest = np.sqrt(np.maximum(away**2 - wide**2 + 2.0**2, 0)) / away
        column, row = ((TIP_MM[0] + 3.5 + dx * rest) / SPACING_MM, (TIP_MM[1] + dz * rest) / SPACING_MM)
        moved = cv2.remap(tissue, column.astype(np.float32), row.astype(np.float32), cv2.INTER_LINEAR)
        frames.append(scenes.frame(scenes.grey_of(np.where(away < wide, 0.02, moved)), k))
    assert not any(r.pools for r in run(frames))


def test_a_cyst_that_was_there_before_stays_out_of_the_fluid():
    frames, masks = injection()
    cyst = scenes.disc((TIP_MM[0] - 5.0, TIP_MM[1]), 1.8)
    dark = [replace(f, pixels=np.where(cyst, np.uint8(12), f.pixels)) for f in frames]
    late = int((ONSET_S + 1.0) * RATE_HZ)
    found = run(dark)[late].mask_on(dark[late])
    assert np.count_nonzero(found & cyst & ~masks[late]) < 0.15 * np.count_nonzero(cyst)


def needle_frames(length_mm, seconds=3.0):
    """A bright shaft of `length_mm(t)` with a shadow of 4 dB below it; frames and tracks."""
    tissue = scenes.speckle(5)
    x, z = scenes.grid_mm()
    along = np.array([0.8, 0.6])
    across = np.abs(-x * along[1] + (z - 2.0) * along[0])
    way = x * along[0] + (z - 2.0) * along[1]
    out = []
    for k in range(int(seconds * RATE_HZ)):
        length = length_mm(k / RATE_HZ)
        tip = along * length + (0.0, 2.0)
        shadow = (z > 2.0 + 0.75 * x) & (x < tip[0])
        envelope = tissue * np.where(shadow, 10 ** (-4 / 20), 1.0)
        envelope = np.where((across < 0.3) & (way < length), 8.0, envelope)
        out.append((scenes.frame(scenes.grey_of(envelope), k), track(tuple(tip.tolist()), (0.0, 2.0))))
    return out


@pytest.mark.parametrize(
    "length_mm",
    [lambda t: 4.0 + 5.0 * t, lambda t: 20.0 - 5.0 * t, lambda t: 14.0 + 1.5 * np.sin(6 * t)],
    ids=["advance", "withdraw", "jiggle"],
)
def test_a_needle_that_moves_with_its_shadow_is_no_fluid(length_mm):
    segmenter = InjectateSegmenter()
    assert not any(segmenter.update(f, n).pools for f, n in needle_frames(length_mm))


def test_fluid_far_from_the_tip_is_not_taken_for_the_injectate():
    frames, _ = injection(centre=(TIP_MM[0] + 11.0, TIP_MM[1] + 8.0), seconds=2.5)
    assert not any(r.pools for r in run(frames))


def test_a_click_takes_the_place_of_a_needle():
    frames, masks = injection()
    assert not any(r.pools for r in run(frames, needle=None))
    clicked = run(frames, needle=None, seed=TIP_MM)
    assert dice(clicked[-1].mask_on(frames[-1]), masks[-1]) > 0.88


def test_an_outlined_region_takes_the_place_of_a_needle():
    frames, masks = injection()
    segmenter = InjectateSegmenter()
    x, z = TIP_MM
    segmenter.seed_region([(x - 6, z - 3), (x + 2, z - 3), (x + 2, z + 3), (x - 6, z + 3)])
    assert dice(run(frames, needle=None, segmenter=segmenter)[-1].mask_on(frames[-1]), masks[-1]) > 0.88


def test_the_last_tip_is_remembered_when_the_needle_is_gone():
    frames, masks = injection()
    segmenter = InjectateSegmenter()
    for f in frames:
        result = segmenter.update(f, track() if f.timestamp_s < 1.0 else None)
    assert dice(result.mask_on(frames[-1]), masks[-1]) > 0.88


def test_a_second_injection_elsewhere_is_a_pool_of_its_own():
    other = (25.0, 19.0)
    first, masks = injection(seconds=4.5, onset_s=1.0, centre=(8.0, 9.0))
    second = injection(seconds=4.5, onset_s=3.0, centre=other)[1]
    fluid = scenes.speckle(77)
    stop = masks[int(2.0 * RATE_HZ)]
    segmenter, ids = InjectateSegmenter(), []
    for k, f in enumerate(first):
        held = stop if k > 2.0 * RATE_HZ else masks[k]
        envelope = np.where(held | second[k], 0.1 * fluid, scenes.speckle(1))
        now = scenes.frame(scenes.grey_of(envelope), k)
        needle = track((8.0, 9.0)) if f.timestamp_s < 2.2 else track(other, (0.0, 10.0))
        result = segmenter.update(now, needle)
        ids.append({p.pool_id for p in result.pools})
    assert ids[int(2.5 * RATE_HZ)] == {1}
    assert ids[-1] == {1, 2}
    pools = {p.pool_id: p for p in result.pools}
    assert pools[1].onset_s == pytest.approx(1.0, abs=0.5)
    assert pools[2].onset_s == pytest.approx(3.0, abs=0.5)
    assert pools[2].centroid_mm == pytest.approx(other, abs=0.8)


def test_a_marked_injection_is_noticed_no_later():
    frames, _ = injection(echo=0.3)

    def noticed(marked):
        segmenter = InjectateSegmenter()
        if marked:
            segmenter.mark_injection(ONSET_S)
        return next(f.timestamp_s for f in frames if segmenter.update(f, track()).pools)

    assert noticed(marked=True) <= noticed(marked=False)


def test_a_repeated_frame_changes_nothing():
    frames, _ = injection()
    segmenter = InjectateSegmenter()
    for f in frames[:40]:
        last = segmenter.update(f, track())
    assert segmenter.update(frames[39], track()) is last
    assert segmenter.update(frames[10], track()) is last
    np.testing.assert_array_equal(segmenter.update(frames[40], track()).mask, run(frames[:41])[-1].mask)


def test_a_freeze_is_no_new_evidence():
    frames, _ = injection(seconds=2.0)
    segmenter = InjectateSegmenter()
    for f in frames[:26]:
        before = segmenter.update(f, track())
    held = [replace(frames[25], timestamp_s=frames[25].timestamp_s + k / RATE_HZ) for k in range(1, 12)]
    after = [segmenter.update(f, track()) for f in held]
    assert after[-1].area_mm2 <= max(1.5 * before.area_mm2, 4.0)


@pytest.mark.parametrize("change", ["size", "spacing"])
def test_another_size_or_spacing_begins_anew(change):
    frames, _ = injection()
    segmenter = InjectateSegmenter()
    for f in frames:
        assert segmenter.update(f, track()) is not None
    last = frames[-1]
    pixels = last.pixels[:-20] if change == "size" else last.pixels
    spacing = 0.15 if change == "size" else 0.2
    other = ug.Frame(pixels, ug.ImageGeometry(spacing, spacing), timestamp_s=last.timestamp_s + 0.1, index=99)
    result = segmenter.update(other, None)
    assert not result.pools
    assert result.onset_s is not None, "that there was an injection is not forgotten"


def test_a_frame_that_the_source_calls_invalid_changes_nothing():
    frames, _ = injection()
    segmenter = InjectateSegmenter()
    for f in frames[:40]:
        segmenter.update(f, track())
    with pytest.raises(ug.InvalidFrameError, match="marks it INVALID"):
        segmenter.update(replace(frames[40], status="INVALID"), track())
    np.testing.assert_array_equal(segmenter.update(frames[40], track()).mask, run(frames[:41])[-1].mask)


@pytest.mark.parametrize("bad", [(1.0,), (np.nan, 2.0), "here"])
def test_a_seed_that_is_no_point_is_refused(bad):
    with pytest.raises(ug.InputError, match="point_mm"):
        InjectateSegmenter().seed(bad)


def test_results_do_not_share_memory():
    frames, _ = injection()
    segmenter = InjectateSegmenter()
    results = [segmenter.update(f, track()) for f in frames[:45]]
    kept = results[-1].mask.copy()
    for f in frames[45:]:
        segmenter.update(f, track())
    np.testing.assert_array_equal(results[-1].mask, kept)


def test_the_pipeline_gives_the_segmenter_what_it_has_computed():
    frames, masks = injection()
    pipeline = ug.GuidancePipeline(settings=ug.PipelineSettings.from_toml("[injectate]\non = true"))
    pipeline.seed_injectate(TIP_MM)
    result = [pipeline.step(f) for f in frames][-1]
    assert dice(result.injectate.mask_on(frames[-1]), masks[-1]) > 0.88
    assert result.latency_ms["injectate"] > 0
