"""`usguide bench` from the outside."""

import json

import pytest

from usguide.cli import main


@pytest.fixture
def cli(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["usguide", "bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr()

    return call


def test_help_teaches(cli):
    code, shown = cli("--help")
    assert code == 0
    for word in ("--compare", "--quick", "--only", "--list", "tune", "not a medical device"):
        assert word in shown.out


def test_list_names_sequences_and_what_is_absent(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("USGUIDE_DATA_DIR", str(tmp_path))
    code, shown = cli("--list", "--quick")
    assert code == 0
    assert "needle-05" in shown.out
    assert "absent: biopsy-needle" in shown.out


def test_runs_and_compares(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("USGUIDE_CACHE_DIR", str(tmp_path / "cache"))
    code, shown = cli("--suite", "phantom", "--quick", "--only", "free-20", "--jobs", "1", "--out", tmp_path / "a")
    assert code == 0, shown.err
    # worst.png where a sequence has a fault
    assert {p.name for p in (tmp_path / "a").iterdir()} - {"worst.png"} == {"bench.json", "report.html"}
    assert json.loads((tmp_path / "a" / "bench.json").read_text())["complete"]
    code, shown = cli("--compare", tmp_path / "a", tmp_path / "a" / "bench.json")
    assert code == 0
    assert "no clear difference" in shown.out


@pytest.mark.parametrize(
    "options", [("--only", "nothing-like-it"), ("--compare", "no-a", "no-b"), ("--suite", "all-of-it")]
)
def test_mistakes_are_one_line(cli, options):
    code, shown = cli(*options)
    assert code == 2
    assert shown.err.startswith("usguide: error: ")
    assert shown.err.count("\n") == 1
