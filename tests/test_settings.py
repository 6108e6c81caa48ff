import dataclasses

import pytest

import usguide as ug


def test_toml_round_trip_and_digest():
    settings = ug.PipelineSettings()
    assert ug.PipelineSettings.from_toml(settings.to_toml()) == settings
    changed = dataclasses.replace(settings, prior=ug.InsertionPrior("left", (15, 60), entry_mm=(1.0, 2.0)))
    assert ug.PipelineSettings.from_toml(changed.to_toml()) == changed
    assert changed.digest != settings.digest
    assert len(settings.digest) == 12


def test_a_file_names_only_what_it_changes(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[prior]\nentry_side = "right"\nangle_deg = [20, 50]\n[tracker]\ncoast_s = 1\n')
    settings = ug.PipelineSettings.load(path)
    assert settings.prior == ug.InsertionPrior("right", (20, 50))
    assert settings.tracker.coast_s == 1.0
    assert settings.detection == ug.PipelineSettings().detection
    assert ug.PipelineSettings.load("default") == ug.PipelineSettings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[prior", "expected TOML"),
        ("[pryor]\n", "expected one of prior, detection"),
        ("[tracker]\ncoast_s = 'long'\n", r"tracker.coast_s: expected a number, got 'long'"),
        ("[detection.detector.look]\ncount = 1.5\n", "a whole number"),
        ("[prior]\nentry_side = 'below'\n", "expected one of left"),
        ("[prior]\nangle_deg = [1, 2, 3]\n", "a list of 2 numbers"),
        ("prior = 3\n", "expected a table"),
        ("[tracker]\ncoast_s = true\n", "expected a number"),
    ],
)
def test_mistakes_are_told_in_one_line(text, message):
    with pytest.raises(ug.InputError, match=message) as caught:
        ug.PipelineSettings.from_toml(text)
    assert "\n" not in str(caught.value)


def test_a_missing_preset_names_those_there_are(tmp_path):
    with pytest.raises(ug.FormatError, match="default"):
        ug.PipelineSettings.load(tmp_path / "none.toml")


@pytest.mark.parametrize("bad", [b"\xff\xfe\x00", b""])
def test_other_bytes(tmp_path, bad):
    path = tmp_path / "x.toml"
    path.write_bytes(bad)
    if bad:
        with pytest.raises(ug.InputError, match="UTF-8"):
            ug.PipelineSettings.load(path)
    else:
        assert ug.PipelineSettings.load(path) == ug.PipelineSettings()
