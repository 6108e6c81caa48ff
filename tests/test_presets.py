"""Presets that travel with the package. They are read from where the package is: run against the wheel, from the wheel."""

import tomllib
from importlib import resources

import pytest

import usguide as ug
from usguide.phantoms.gauge import OUTER_DIAMETER_MM
from usguide.presets import preset_names, preset_summary, preset_text

SHIPPED = [n for n in preset_names() if n != "default"]
PROBES = ("linear", "curvilinear")


def test_there_is_one_for_each_probe_and_procedure_and_they_are_in_the_package():
    procedures = ("myofascial", "lumbar-facet", "sacroiliac", "sacro-coccygeal", "superficial-nerve-block", "biopsy")
    assert set(SHIPPED) == {*PROBES, *procedures}
    files = {p.name for p in resources.files("usguide").joinpath("presets").iterdir() if p.name.endswith(".toml")}
    assert files == {f"{n}.toml" for n in SHIPPED}


def leaves(table, *at):
    for name, value in table.items():
        yield from leaves(value, *at, name) if isinstance(value, dict) else [((*at, name), value)]


def value_at(settings, path):
    for name in path:
        settings = getattr(settings, name)
    return list(settings) if isinstance(settings, tuple) else settings


@pytest.mark.parametrize("name", SHIPPED)
def test_a_preset_changes_what_it_names_and_nothing_else(name):
    settings, default = ug.PipelineSettings.load(name), ug.PipelineSettings()
    named = dict(leaves(tomllib.loads(preset_text(name))))
    assert named
    for path, value in named.items():
        assert value_at(settings, path) == value
        assert value_at(default, path) != value, "only what differs from the defaults belongs into a preset"
    everything = dict(leaves(default.to_dict()))
    assert {p for p, v in leaves(settings.to_dict()) if v != everything.get(p)} == set(named)
    assert ug.PipelineSettings.from_toml(settings.to_toml()) == settings
    assert settings.digest != default.digest


@pytest.mark.parametrize("name", SHIPPED)
def test_a_preset_says_what_it_is_for_and_why(name):
    head = preset_text(name).partition("[prior]")[0]
    for word in ("Probe", "Depth", "Needle", "Angle"):
        assert f"# {word} " in head
    low, high = ug.PipelineSettings.load(name).prior.angle_deg
    assert f"{high:g} degrees" in preset_summary(name)
    assert name in PROBES or f"{low:g}" in preset_summary(name)
    assert len(preset_summary(name)) <= 100


@pytest.mark.parametrize("name", [n for n in SHIPPED if n not in PROBES])
def test_the_diameter_is_that_of_the_gauge_which_the_first_line_names(name):
    gauge = int(preset_summary(name).partition(" gauge")[0].split()[-1])
    assert ug.PipelineSettings.load(name).prior.needle_diameter_mm == pytest.approx(OUTER_DIAMETER_MM[gauge], abs=0.006)


def test_a_later_preset_overrides_an_earlier_one_and_a_file_both(tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text('[prior]\nentry_side = "left"\n')
    probe, procedure = (ug.PipelineSettings.load(n).prior for n in ("curvilinear", "biopsy"))
    both = ug.PipelineSettings.load("curvilinear", "biopsy", mine).prior
    assert both == ug.InsertionPrior("left", procedure.angle_deg, procedure.needle_diameter_mm)
    turned = ug.PipelineSettings.load("biopsy", "curvilinear").prior
    assert turned == ug.InsertionPrior("any", probe.angle_deg, procedure.needle_diameter_mm)
    assert ug.PipelineSettings.load() == ug.PipelineSettings.load("default") == ug.PipelineSettings()


def test_the_options_of_a_method_are_replaced_as_a_whole(tmp_path):
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.write_text('[detection]\ndespeckle_method = "srad"\ndespeckle_options = { iterations = 3 }\n')
    two.write_text('[detection]\ndespeckle_method = "lee"\ndespeckle_options = { size = 5 }\n')
    assert ug.PipelineSettings.load(one, two).detection.despeckle_options == {"size": 5}


def test_mistakes_name_the_file_and_the_presets(tmp_path):
    with pytest.raises(ug.FormatError, match=r"default, biopsy, .*did you mean lumbar-facet"):
        ug.PipelineSettings.load("lumbar_facet")
    mine = tmp_path / "mine.toml"
    mine.write_text("[prior]\nangle = 3\n")
    with pytest.raises(ug.InputError, match=r"mine.toml: settings.prior: expected one of entry_side"):
        ug.PipelineSettings.load("linear", mine)
    with pytest.raises(ug.InputError, match="expected one of default"):
        preset_text("nobody")
