"""Frames from IMAGE messages: where a pixel is, when, and what came beside it."""

import numpy as np
import pytest
from igtl_cases import picture, turned_matrix

import usguide as ug
from usguide.errors import InputError, InvalidFrameError
from usguide.live import igtl


def message(content, device="Image", **options):
    return igtl.decode(igtl.encode(content, device, **options))


def image(matrix=None, pixels=None):
    return igtl.Image(picture() if pixels is None else pixels, turned_matrix() if matrix is None else matrix)


def test_spacing_pixels_time_and_pose():
    builder = igtl.FrameBuilder()
    frame = builder.take(message(image(), timestamp_s=1000.25), 5.0)
    assert frame.shape == (60, 64)
    assert (frame.geometry.lateral_mm_per_px, frame.geometry.axial_mm_per_px) == (0.25, 0.1)
    assert frame.geometry.origin_mm == (0.0, 0.0)
    assert (frame.timestamp_s, frame.index, frame.status) == (1000.25, 0, "OK")
    np.testing.assert_array_equal(frame.pixels, picture())
    np.testing.assert_allclose(frame.transforms["ImageToRAS"], turned_matrix(), atol=1e-5)
    assert builder.take(message(image()), 5.5).timestamp_s == 5.5, "a time stamp of 0 is no time"


def test_distances_agree_between_the_frame_and_ras():
    frame = igtl.FrameBuilder().take(message(image()), 0.0)
    a_mm, b_mm = (3.0, 1.0), (11.0, 4.0)
    a, b = igtl.ras_of(frame, [a_mm, b_mm])
    assert np.linalg.norm(a - b) == pytest.approx(np.hypot(8.0, 3.0), rel=1e-5)


def test_a_turning_probe_changes_no_spacing_but_another_depth_does():
    """The lengths of a turned matrix differ in float32's last digits, also across where they are rounded."""
    builder, seen = igtl.FrameBuilder(), set()
    for k in range(200):
        a = 0.01 * k
        turn = np.array([[np.cos(a), 0, np.sin(a), 0], [0, 1, 0, 0], [-np.sin(a), 0, np.cos(a), 0], [0, 0, 0, 1]])
        seen.add(builder.take(message(image(turn @ turned_matrix((0.08333335, 0.2)))), 0.0).geometry)
    assert len(seen) == 1
    deeper = builder.take(message(image(turned_matrix((0.08333335, 0.3)))), 0.0)
    assert deeper.geometry.axial_mm_per_px == pytest.approx(0.3)


def test_a_change_of_size_in_mid_stream_is_a_frame_of_that_size():
    builder = igtl.FrameBuilder()
    shapes = [builder.take(message(image(pixels=picture(h, w))), 0.0).shape for h, w in ((60, 64), (100, 80), (70, 64))]
    assert shapes == [(60, 64), (100, 80), (70, 64)]


def test_unit_spacing_is_unknown_and_a_stated_one_goes_first():
    builder = igtl.FrameBuilder()
    assert builder.take(message(image(np.eye(4))), 0.0) is None
    assert builder.bad_frames == 1
    assert "spacing_mm=" in builder.notes[0]
    frame = igtl.FrameBuilder(spacing_mm=(0.2, 0.3)).take(message(image(np.eye(4))), 0.0)
    assert frame.geometry.spacing_mm == (0.3, 0.2)
    assert igtl.FrameBuilder(depth_mm=30.0).take(message(image()), 0.0).geometry.spacing_mm == (0.5, 0.5)
    assert igtl.FrameBuilder().take(message(image(turned_matrix((9.0, 9.0)))), 0.0) is None, (
        "540 mm are no ultrasound image"
    )


def test_region_and_full_scale_are_those_given():
    builder = igtl.FrameBuilder(region=(4, 5, 30, 52), full_scale=1.0)
    frame = builder.take(message(image(pixels=picture().astype(np.float32) / 255)), 0.0)
    assert (frame.region, frame.full_scale) == ((4, 5, 30, 52), 1.0)
    with pytest.raises(InputError, match="auto"):
        igtl.FrameBuilder(region="auto")


@pytest.mark.parametrize(
    ("pixels", "dtype", "top"),
    [
        (picture().astype(np.int16) * 40, np.uint16, 255 * 40),
        (picture().astype(np.int32), np.uint16, 255),
        ((picture() // 2).astype(np.int8), np.uint8, 127),
        (picture().astype(np.uint16) * 257, np.uint16, 65535),
    ],
)
def test_whole_numbers_of_other_types_keep_their_values(pixels, dtype, top):
    frame = igtl.FrameBuilder().take(message(image(pixels=pixels)), 0.0)
    assert frame.pixels.dtype == dtype
    assert frame.pixels.max() == top
    np.testing.assert_array_equal(frame.pixels, pixels)


def test_colours_come_as_bgr_and_grey_as_one_channel():
    rgb = np.stack([picture(seed=k) for k in range(3)], axis=-1)
    frame = igtl.FrameBuilder().take(message(image(pixels=rgb)), 0.0)
    np.testing.assert_array_equal(frame.pixels, rgb[..., ::-1])
    grey = np.repeat(picture()[..., None], 4, axis=2)
    np.testing.assert_array_equal(igtl.FrameBuilder().take(message(image(pixels=grey)), 0.0).pixels, picture())


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (image(pixels=picture().astype(np.int16) - 1000), "0 to 65535"),
        (image(pixels=np.zeros((2, 60, 64, 1), np.uint8)), "one whole picture"),
        (igtl.Image(picture(), turned_matrix(), size=(64, 120, 1), offset=(0, 60, 0)), "one whole picture"),
        (image(pixels=np.full((60, 64), np.nan, np.float32)), "NaN"),
        (image(pixels=picture(4, 4)), "at least 16 x 16"),
        (image(np.array([[0.1, 0.05, 0, 0], [0, 0.1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])), "right angles"),
        (image(np.diag([0.0, 0.1, 1, 1])), "spacing is missing"),
        (image(pixels=np.zeros((60, 64, 2), np.uint8)), "expected shape"),
    ],
)
def test_images_that_are_no_frames_are_counted_and_told_and_the_next_one_is_used(bad, words):
    builder = igtl.FrameBuilder(full_scale=1.0)
    assert builder.take(message(bad), 0.0) is None
    assert builder.bad_frames == 1
    assert words in builder.notes[0]
    assert len(builder.notes[0].splitlines()) == 1
    assert builder.take(message(image()), 0.0).index == 1


def test_the_first_device_is_used_and_others_are_named():
    builder = igtl.FrameBuilder()
    assert builder.take(message(image(), "Probe"), 0.0) is not None
    assert builder.take(message(image(), "Camera"), 0.0) is None
    assert builder.other_devices == {"Camera": 1}
    assert "'Camera'" in builder.notes[0]
    builder = igtl.FrameBuilder(device="Camera")
    assert builder.take(message(image(), "Probe"), 0.0) is None
    assert "those of 'Camera' are" in builder.notes[0]
    assert builder.take(message(image(), "Camera"), 0.0) is not None


def test_a_device_whose_images_are_no_frames_does_not_keep_others_out():
    builder = igtl.FrameBuilder()
    volume = igtl.Image(np.zeros((20, 60, 64, 1), np.int16), np.eye(4))
    assert builder.take(message(volume, "CT"), 0.0) is None
    assert "'CT'" in builder.notes[0]
    assert builder.take(message(image(), "Probe"), 0.0) is not None
    assert builder.device == "Probe"


def test_poses_come_with_the_next_images_while_they_are_fresh():
    builder = igtl.FrameBuilder()
    pose = turned_matrix((1.0, 1.0))
    builder.take(message(igtl.Transform(pose), "ProbeToTracker"), 10.0)
    fresh = builder.take(message(image()), 10.4)
    np.testing.assert_allclose(fresh.transforms["ProbeToTracker"], pose, atol=1e-5)
    assert set(builder.take(message(image()), 10.6).transforms) == {"ImageToRAS"}
    assert "ProbeToTracker" in fresh.transforms, "a frame that was given has changed"


def test_a_pose_that_could_not_be_measured_is_not_there():
    """PLUS says so in metadata (header version 2), others by STATUS."""
    builder = igtl.FrameBuilder()
    pose = igtl.Transform(np.eye(4))
    builder.take(message(pose, "ProbeToTracker", version=2, metadata={"TransformStatus": "OK"}), 0.0)
    builder.take(message(pose, "NeedleToTracker"), 0.0)
    assert len(builder.take(message(image()), 0.1).transforms) == 3
    builder.take(message(pose, "ProbeToTracker", version=2, metadata={"TransformStatus": "OUT_OF_VIEW"}), 0.1)
    builder.take(message(igtl.Status(7), "NeedleToTracker"), 0.1)
    assert set(builder.take(message(image()), 0.1).transforms) == {"ImageToRAS"}


def test_status_of_the_image_device_and_of_an_image():
    builder = igtl.FrameBuilder(device="Image")
    builder.take(message(igtl.Status(13), "Image"), 0.0)
    bad = builder.take(message(image()), 0.0)
    assert bad.status == "INVALID"
    with pytest.raises(InvalidFrameError):
        ug.GuidancePipeline().step(bad)
    builder.take(message(igtl.Status(1), "Image"), 0.0)
    builder.take(message(igtl.Status(13), "Other"), 0.0)
    assert builder.take(message(image()), 0.0).status == "OK"
    said = message(image(), version=2, metadata={"ImageStatus": "INVALID"})
    assert builder.take(said, 0.0).status == "INVALID"


def test_memory_stays_bounded_whatever_names_come():
    builder = igtl.FrameBuilder(device="Image")
    for k in range(500):
        builder.take(message(igtl.Transform(np.eye(4)), f"T{k}"), 0.0)
        builder.take(message(image(), f"I{k}"), 0.0)
    assert len(builder.take(message(image()), 0.0).transforms) == 65
    builder.take(message(igtl.Transform(np.eye(4)), "Later"), 9.0)
    assert set(builder.take(message(image()), 9.0).transforms) == {"Later", "ImageToRAS"}, "old ones keep new ones out"
    assert len(builder.other_devices) <= 64
    assert len(builder.notes) <= 20
