"""The pipeline on streams with exact truth: states, time, causality, bad and changing input."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from conftest import frame_of, needle_picture, stream_picture

import usguide as ug
from usguide.detection import DetectionSettings, DetectorSettings, SearchSettings
from usguide.settings import PipelineSettings

PRIOR = ug.InsertionPrior("left", (15, 60))
DT = 0.05


def insertion(count=40, *, start=-2.0, speed=12.0, dt=DT):
    """Frames of a needle that comes in at `speed` mm/s, and its tips; it is `start` mm long at first."""
    frames, tips = [], []
    for k in range(count):
        pixels, tip = stream_picture(max(0.0, start + speed * dt * k), k)
        frames.append(frame_of(pixels, index=k, timestamp_s=k * dt))
        tips.append(tip)
    return frames, tips


LAST_MM = 21.4
"""How long the needle is in the last frame of `advancing`."""


@pytest.fixture(scope="module")
def advancing():
    return insertion()


def run(frames, pipeline=None):
    pipeline = pipeline or ug.GuidancePipeline(PRIOR)
    return [pipeline.step(f) for f in frames]


def plain(result):
    """All of a result but its timing, in a form that compares."""
    return repr((result.index, result.timestamp_s, result.state, result.input_state, result.tracks, result.target))


def test_the_tip_is_followed(advancing):
    frames, tips = advancing
    results = run(frames)
    errors = [
        math.dist(r.track.tip.position_mm, t)
        for r, t in zip(results, tips, strict=True)
        if r.state is ug.TrackState.TRACKING
    ]
    # It is as long as 5 mm in frame 12, the first that counts; it is told from what lies there within 0.3 s.
    assert [r.state for r in results[18:]] == [ug.TrackState.TRACKING] * 22
    # A drawn line stops at once, and is put half a millimetre short: what was fitted ends as a pulse does.
    assert np.median(errors) < 0.55
    assert np.max(errors) < 1.5
    assert results[-1].track.tip_velocity_mm_s == pytest.approx(12, abs=4)
    assert len({r.track.track_id for r in results if r.track}) == 1


def test_a_needle_that_is_there_from_the_first_frame_is_found_once_it_moves():
    frames, tips = insertion(30, start=8.0, speed=10.0)
    results = run(frames)
    assert all(r.state is ug.TrackState.TRACKING for r in results[24:])
    assert math.dist(results[-1].track.tip.position_mm, tips[-1]) < 0.8


def test_tissue_without_a_needle_shows_none():
    frames = [frame_of(stream_picture(0, k)[0], index=k, timestamp_s=k * DT) for k in range(40)]
    assert {r.state for r in run(frames)} == {ug.TrackState.SEARCHING}


def test_results_are_causal(advancing):
    frames, _ = advancing
    whole, part = run(frames), run(frames[:15])
    assert [plain(r) for r in part] == [plain(r) for r in whole[:15]]


def test_the_frame_rate_changes_no_behaviour():
    fast, _ = insertion(60, dt=DT / 2)
    results = run(fast)
    first = next(r.timestamp_s for r in results if r.state is ug.TrackState.TRACKING)
    slow = run(insertion(30)[0])
    assert first == pytest.approx(next(r.timestamp_s for r in slow if r.state is ug.TrackState.TRACKING), abs=2 * DT)


def test_a_needle_that_vanishes_coasts_then_is_lost_once_then_searched(advancing):
    frames, _ = advancing
    empty = [frame_of(stream_picture(0, 40 + k)[0], index=40 + k, timestamp_s=(40 + k) * DT) for k in range(16)]
    states = [str(r.state) for r in run([*frames, *empty])][40:]
    lost = states.index("LOST")
    assert set(states[:lost]) == {"COASTING"}
    assert lost * DT == pytest.approx(0.5, abs=2 * DT)
    assert set(states[lost + 1 :]) == {"SEARCHING"}


def test_coasting_widens_the_uncertainty_and_lowers_the_confidence(advancing):
    frames, _ = advancing
    pipeline = ug.GuidancePipeline(PRIOR)
    before = run(frames, pipeline)[-1].track
    for k in range(5):
        after = pipeline.step(frame_of(stream_picture(0, 40 + k)[0], index=40 + k, timestamp_s=(40 + k) * DT)).track
    assert max(after.tip.sigma_mm) > 1.5 * max(before.tip.sigma_mm)
    assert after.confidence < before.confidence
    assert after.time_since_seen_s == pytest.approx(5 * DT)


def test_a_frozen_image_is_told_and_its_tip_is_not_sent_for_ever(advancing):
    frames, _ = advancing
    pipeline = ug.GuidancePipeline(PRIOR)
    run(frames, pipeline)
    still = frames[-1].pixels
    results = run([frame_of(still, index=40 + k, timestamp_s=(40 + k) * DT) for k in range(40)], pipeline)
    frozen = [r.input_state is ug.InputState.FROZEN for r in results]
    assert frozen.index(True) == pytest.approx(10, abs=1)
    assert all(frozen[11:])
    assert results[3].state is ug.TrackState.TRACKING
    assert results[3].track.time_since_seen_s > 0
    assert results[-1].state is ug.TrackState.SEARCHING


def test_a_timestamp_that_does_not_increase_is_a_repeat(advancing):
    frames, _ = advancing
    pipeline = ug.GuidancePipeline(PRIOR)
    run(frames, pipeline)
    again = pipeline.step(frame_of(frames[5].pixels, index=40, timestamp_s=0.2))
    assert "did not increase" in again.events[0]
    assert again.timestamp_s == frames[-1].timestamp_s
    follow = pipeline.step(frame_of(stream_picture(LAST_MM + 0.6, 77)[0], index=41, timestamp_s=40 * DT))
    assert follow.state is ug.TrackState.TRACKING


def test_a_change_of_size_and_spacing_keeps_the_track(advancing):
    frames, _ = advancing
    pipeline = ug.GuidancePipeline(PRIOR)
    before = run(frames, pipeline)[-1].track
    pixels, tip = stream_picture(LAST_MM + 0.6, 40, spacing_mm=(0.08, 0.12))
    result = pipeline.step(frame_of(pixels, spacing_mm=(0.08, 0.12), index=40, timestamp_s=40 * DT))
    assert result.state is ug.TrackState.TRACKING
    assert result.track.track_id == before.track_id
    assert math.dist(result.track.tip.position_mm, tip) < 1.0
    assert "size" in result.events[0]
    assert "spacing" in result.events[0]


def test_a_change_of_spacing_alone_leaves_nothing_that_is_known_in_px(advancing):
    frames, _ = advancing
    since = []

    class Noting:
        def detect(self, evidence, prior, expected=()):
            since.append((evidence.new, evidence.since))
            return []

    pipeline = ug.GuidancePipeline(PRIOR, detector=Noting())
    run(frames[:8], pipeline)
    assert since[0] == (None, None)
    assert all(new is not None and changes.shape == (2, *new.known.shape) for new, changes in since[1:])
    assert np.abs(since[-1][1]).max() > 10  # the needle advances
    wider = replace(frames[8].geometry, lateral_mm_per_px=frames[8].geometry.lateral_mm_per_px * 1.001)
    pipeline.step(replace(frames[8], geometry=wider))
    assert since[-1] == (None, None)
    pipeline.step_still(frames[9])
    assert since[-1] == (None, None)


def test_a_bad_frame_raises_and_changes_nothing(advancing):
    frames, _ = advancing
    good, hurt = ug.GuidancePipeline(PRIOR), ug.GuidancePipeline(PRIOR)
    run(frames[:20], good)
    run(frames[:20], hurt)
    for bad in (
        frame_of(np.zeros((8, 8), np.uint8), index=20, timestamp_s=1.0),
        frame_of(frames[0].pixels, index=20, timestamp_s=1.0, status="INVALID"),
        frame_of(frames[0].pixels, spacing_mm=(9, 9), index=20, timestamp_s=1.0),
    ):
        with pytest.raises(ug.InvalidFrameError):
            hurt.step(bad)
    assert [plain(r) for r in run(frames[20:], hurt)] == [plain(r) for r in run(frames[20:], good)]


def test_reset_forgets(advancing):
    frames, _ = advancing
    pipeline = ug.GuidancePipeline(PRIOR)
    first = run(frames[:10], pipeline)
    pipeline.reset()
    assert [plain(r) for r in run(frames[:10], pipeline)] == [plain(r) for r in first]


def test_a_mirrored_stream_gives_mirrored_results(advancing):
    frames, tips = advancing
    width = 0.1 * (frames[0].pixels.shape[1] - 1)
    flipped = [frame_of(f.pixels[:, ::-1], index=f.index, timestamp_s=f.timestamp_s) for f in frames]
    results = run(flipped, ug.GuidancePipeline(ug.InsertionPrior("right", (15, 60))))
    x, z = results[-1].track.tip.position_mm
    assert math.dist((width - x, z), tips[-1]) < 0.8


def test_guidance_to_a_target(advancing):
    frames, tips = advancing
    pipeline = ug.GuidancePipeline(PRIOR)
    pipeline.set_target((28.0, 20.0))
    first = pipeline.step(frames[0])
    assert first.target.distance_mm is None
    target = run(frames[1:], pipeline)[-1].target
    assert target.distance_mm == pytest.approx(math.dist(tips[-1], (28, 20)), abs=0.8)
    u = np.array([math.cos(math.radians(30)), math.sin(math.radians(30))])
    d = np.array([28.0, 20.0]) - tips[-1]
    assert target.along_mm == pytest.approx(float(u @ d), abs=0.8)
    assert target.miss_mm == pytest.approx(float(-u[1] * d[0] + u[0] * d[1]), abs=0.6)
    assert target.angle_error_deg == pytest.approx(math.degrees(math.atan2(14, 28)) - 30, abs=1.0)


def test_a_seed_starts_a_track_at_once(advancing):
    frames, tips = advancing
    pipeline = ug.GuidancePipeline(PRIOR)
    first = 15
    pipeline.seed(entry_mm=(0.0, 6.0), tip_mm=tips[first])
    results = run(frames[first : first + 8], pipeline)
    assert results[0].state is ug.TrackState.TRACKING
    assert "seeded" in results[0].events[0]
    for result, tip in zip(results, tips[first:], strict=False):
        assert result.track.track_id == results[0].track.track_id
        assert math.dist(result.track.tip.position_mm, tip) < 1.0
    with pytest.raises(ug.InputError, match="different points"):
        pipeline.seed(entry_mm=(1, 1), tip_mm=(1, 1))


def test_stills_have_no_memory():
    pixels, _, tip = needle_picture()
    empty, _, _ = needle_picture(brightness=0)
    pipeline = ug.GuidancePipeline(PRIOR)
    first = pipeline.step_still(frame_of(pixels))
    assert first.state is ug.TrackState.TRACKING
    assert math.dist(first.track.tip.position_mm, tip) < 0.6
    assert pipeline.step_still(frame_of(empty)).state is ug.TrackState.SEARCHING
    assert plain(pipeline.step_still(frame_of(pixels))) == plain(first)


def test_a_still_is_not_searched_where_a_stream_expects_the_needle():
    pixels, entry, tip = needle_picture()
    blind = SearchSettings(offset=0.6, high=1.0, least=1e6)
    detection = DetectionSettings(detector=DetectorSettings(look=blind, new=blind))
    pipeline = ug.GuidancePipeline(PRIOR, PipelineSettings(detection=detection))
    pipeline.seed(entry_mm=entry, tip_mm=tip)
    assert pipeline.step(frame_of(pixels)).tracks
    assert pipeline.step_still(frame_of(pixels)).tracks == ()


def test_stages_can_be_replaced(advancing):
    frames, _ = advancing
    calls = []

    class Nothing:
        def detect(self, evidence, prior, expected=()):
            calls.append((evidence.image.grey.shape, prior.entry_side, tuple(expected)))
            return []

    def blur(image):
        calls.append("despeckled")
        return cv2.GaussianBlur(image, (0, 0), 1)

    class Fluid:
        def update(self, frame, track):
            return None

        def reset(self):
            calls.append("reset")

    pipeline = ug.GuidancePipeline(PRIOR, detector=Nothing(), despeckler=blur, segmenter=Fluid())
    assert pipeline.step(frames[0]).state is ug.TrackState.SEARCHING
    pipeline.reset()
    assert calls == ["despeckled", ((213, 240), "left", ()), "reset"]


def test_a_segmenter_that_cares_is_told_of_target_keep_outs_and_marks(advancing):
    told = []

    class Attentive:
        def update(self, frame, track):
            return None

        def reset(self):
            pass

        def seed(self, point_mm):
            told.append(point_mm)

        def set_target(self, target):
            told.append(target)

        def set_keep_out(self, keep_out_mm):
            told.append(dict(keep_out_mm))

        def mark_injection(self, time_s):
            told.append(time_s)

    pipeline = ug.GuidancePipeline(PRIOR, segmenter=Attentive())
    pipeline.set_target((28, 20), radius_mm=3)
    pipeline.set_keep_out({"vessel": [(1, 1), (5, 1), (5, 4)]})
    pipeline.mark_injection(0.2)
    vessel = ((1.0, 1.0), (5.0, 1.0), (5.0, 4.0))
    assert told == [ug.Target.disc((28.0, 20.0), 3.0), {"vessel": vessel}, 0.2]
    result = pipeline.step(advancing[0][0])
    assert result.target.outline_mm == ug.Target.disc((28.0, 20.0), 3.0).outline_mm
    assert result.keep_out_mm == {"vessel": vessel}
    pipeline.set_target()
    pipeline.set_keep_out({})
    assert told[3:] == [None, {}]
    pipeline.seed_injectate((12, 9))
    assert told[5:] == [(12.0, 9.0)]
    result = pipeline.step(advancing[0][1])
    assert (result.target, result.keep_out_mm) == (None, {})
    assert "injectate seeded by hand at 12, 9 mm" in result.events


def test_a_frozen_picture_is_not_given_to_the_segmenter(advancing):
    seen = []

    class Fluid:
        def update(self, frame, track):
            seen.append(frame.index)

        def reset(self):
            pass

    pipeline, first = ug.GuidancePipeline(PRIOR, segmenter=Fluid()), advancing[0][0]
    results = [pipeline.step(frame_of(first.pixels, index=k, timestamp_s=k * DT)) for k in range(20)]
    frozen = [r.index for r in results if r.input_state is ug.InputState.FROZEN]
    assert frozen
    assert not set(seen) & set(frozen)


def test_a_pipeline_without_a_segmenter_takes_no_seed_of_fluid():
    with pytest.raises(ug.InputError, match="expected a segmenter that takes a seed"):
        ug.GuidancePipeline(PRIOR).seed_injectate((12, 9))


@pytest.mark.parametrize("outline", [[(1, 1), (2, 2)], [(1, 1), (2, 2), (3, 3)], "round"])
def test_a_keep_out_that_has_no_area_is_refused(outline):
    with pytest.raises(ug.InputError, match="keep-out vessel: expected"):
        ug.GuidancePipeline(PRIOR).set_keep_out({"vessel": outline})


def test_latency_is_told_for_each_stage(advancing):
    latency = run(advancing[0][:2])[-1].latency_ms
    assert {"total", "grid", "despeckle", "smooth", "motion", "evidence", "detect", "track"} <= latency.keys()
    assert latency["total"] >= sum(v for k, v in latency.items() if k != "total") * 0.9


def test_results_do_not_share_memory_with_the_pipeline(advancing):
    frames, _ = advancing
    pipeline = ug.GuidancePipeline(PRIOR)
    results = run(frames[:8], pipeline)
    before = [plain(r) for r in results]
    run(frames[8:], pipeline)
    assert [plain(r) for r in results] == before


@pytest.mark.parametrize(("rate_hz", "expected"), [(5.0, 1.0), (10.0, 1.0), (20.0, 1 / 2), (50.0, 1 / 5)])
def test_appearance_is_searched_by_the_clock_and_novelty_in_every_frame_while_nothing_is_tracked(
    advancing, rate_hz, expected
):
    frames, _ = advancing
    sought = []

    class Noting:
        def detect(self, evidence, prior, expected=()):
            sought.append((evidence.search_look, evidence.new is not None and evidence.search_new))
            return []

    pipeline = ug.GuidancePipeline(PRIOR, detector=Noting())
    for k in range(41):
        pipeline.step(replace(frames[k % len(frames)], timestamp_s=k / rate_hz, index=k))
    assert sought[0] == (True, False)  # nothing is new yet
    assert all(new for _, new in sought[1:])
    assert np.mean([look for look, _ in sought[1:]]) == pytest.approx(expected, abs=0.03)
    sought.clear()
    pipeline.step_still(frames[0])
    assert sought == [(True, False)]


def test_appearance_is_searched_about_every_tenth_of_a_second_at_an_uneven_rate(advancing):
    frames, _ = advancing
    rng, sought, time_s = np.random.default_rng(0), [], 0.0

    class Noting:
        def detect(self, evidence, prior, expected=()):
            if evidence.search_look:
                sought.append(time_s)
            return []

    pipeline = ug.GuidancePipeline(PRIOR, detector=Noting())
    for k in range(120):
        time_s += float(rng.uniform(0.02, 0.06))
        pipeline.step(replace(frames[k % len(frames)], timestamp_s=time_s, index=k))
    between = np.diff(sought)
    assert np.mean(between) == pytest.approx(0.1, abs=0.015)
    assert np.max(between) < 0.1 + 0.06


@pytest.mark.parametrize(("rate_hz", "shown"), [(8.0, 1), (16.0, 1), (50.0, 1), (8.0, 2), (10.0, 3)])
def test_while_a_needle_is_tracked_novelty_is_searched_where_appearance_is_not(advancing, rate_hz, shown):
    frames, _ = advancing
    detector, sought = ug.detection.LineDetector(), []

    class Noting:
        def detect(self, evidence, prior, expected=()):
            sought.append((evidence.search_look, evidence.search_new))
            return detector.detect(evidence, prior, expected)

    pipeline, tracked, last = ug.GuidancePipeline(PRIOR, detector=Noting()), [], None
    for k, frame in enumerate(frames):
        tracked.append(last is ug.TrackState.TRACKING)
        for copy in range(shown):  # a frame grabber gives each picture more than once
            time_s = (k + copy / shown) / rate_hz
            last = pipeline.step(replace(frame, timestamp_s=time_s, index=k * shown + copy)).state
    assert len(sought) == len(frames)
    assert sum(tracked) > 5
    # At 10 frames a second and fewer both are due in every frame; in none is neither.
    expected = [not (t and look and rate_hz > 10) for (look, _), t in zip(sought, tracked, strict=True)]
    assert [new for _, new in sought] == expected


def test_it_is_searched_widely_until_a_needle_is_tracked(advancing):
    frames, _ = advancing
    detector, widely = ug.detection.LineDetector(), []

    class Noting:
        def detect(self, evidence, prior, expected=()):
            widely.append(evidence.search_widely)
            return detector.detect(evidence, prior, expected)

    pipeline = ug.GuidancePipeline(PRIOR, detector=Noting())
    states = [pipeline.step(frame).state for frame in frames]
    assert ug.TrackState.TRACKING in states
    assert widely == [True, *(state is not ug.TrackState.TRACKING for state in states[:-1])]
