"""`usguide datasets` as people run it."""

import hashlib
import json
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from usguide import cli, datasets
from usguide.datasets import registry

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONTENT = b"a picture" * 100
TABLES = f"""
[tiny]
title = "One file"
kind = "no needle"
licence = "CC0-1.0"
citation = "A. Nobody, 1999"
use = "tests"
origin = "some/where"
commit = "{COMMIT}"
folder = "in"

[hand]
title = "By hand"
kind = "needle"
licence = "not stated"
use = "tests"
where = "Some Archive, dataset 17"
layout = "unzip it"
"""
COLUMNS = "path,upstream_path,commit,sha256,size_bytes,frames,height_px,width_px,axial_mm_per_px,lateral_mm_per_px,spacing_source,region_px,time_s,split"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def origin(tmp_path, monkeypatch):
    """A registry of two sets, and a server of one of them; the folder that it serves."""
    row = f"tiny/a.png,,,{hashlib.sha256(CONTENT).hexdigest()},{len(CONTENT)},1,2,3,,,,,,tune"
    (tmp_path / "recordings.toml").write_text(TABLES, encoding="utf-8")
    (tmp_path / "recordings.csv").write_text(f"{COLUMNS}\n{row}\n", encoding="utf-8")
    known = registry.load_registry(tmp_path)
    served = tmp_path / "served"
    upstream = served / "some" / "where" / COMMIT / "in" / "a.png"
    upstream.parent.mkdir(parents=True)
    upstream.write_bytes(CONTENT)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(served)))
    thread = Thread(target=partial(server.serve_forever, poll_interval=0.02))
    thread.start()
    monkeypatch.setattr(registry, "shipped_registry", lambda: known)
    monkeypatch.setattr(registry, "RAW_ADDRESS", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr("pooch.core.time.sleep", lambda _: None)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("USGUIDE_DATA_DIR", raising=False)
    yield upstream
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line here; give exit code, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["usguide", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        shown = capsys.readouterr()
        return end.value.code or 0, shown.out, shown.err

    return run


def is_one_error(result):
    code, out, err = result
    assert code == 2
    assert out == ""
    assert err.startswith("usguide: error: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.usefixtures("origin")
def test_fetch_shows_the_licence_then_prints_the_folder(run, tmp_path):
    code, out, err = run("datasets", "fetch", "tiny", "--to", tmp_path / "to")
    assert code == 0
    assert out == f"{tmp_path / 'to' / 'tiny'}\n"
    assert "CC0-1.0" in err
    assert "A. Nobody, 1999" in err
    assert (tmp_path / "to" / "tiny" / "a.png").read_bytes() == CONTENT
    assert run("datasets", "fetch", "tiny", "--to", tmp_path / "to") == (0, out, "")


@pytest.mark.usefixtures("origin")
def test_fetch_all_takes_what_can_be_fetched_and_quiet_says_nothing(run, tmp_path):
    assert run("datasets", "fetch", "all", "--to", tmp_path / "to", "--quiet") == (0, "", "")
    assert [p.name for p in (tmp_path / "to").iterdir()] == ["tiny"]


def test_a_failed_fetch_is_one_line_and_exit_code_2(run, origin, tmp_path):
    origin.write_bytes(b"something else")
    assert "expected SHA256" in is_one_error(run("datasets", "fetch", "tiny", "--to", tmp_path / "to", "-q"))
    origin.unlink()
    assert "404" in is_one_error(run("datasets", "fetch", "tiny", "--to", tmp_path / "to", "-q"))
    (tmp_path / "file").write_bytes(b"")
    assert "--to DIR" in is_one_error(run("datasets", "fetch", "tiny", "--to", tmp_path / "file", "-q"))


@pytest.mark.usefixtures("origin")
def test_a_wrong_name_shows_before_anything_is_downloaded(run, tmp_path):
    assert "got 'huge'" in is_one_error(run("datasets", "fetch", "tiny", "huge", "--to", tmp_path / "to"))
    assert not (tmp_path / "to").exists()


@pytest.mark.usefixtures("origin")
def test_a_set_by_hand_is_one_line_that_says_where(run, tmp_path, monkeypatch):
    text = is_one_error(run("datasets", "fetch", "hand"))
    assert "Some Archive, dataset 17" in text
    assert "$USGUIDE_DATA_DIR/hand" in text
    monkeypatch.setenv("USGUIDE_DATA_DIR", str(tmp_path))
    assert f"{tmp_path}/hand (unzip it)" in is_one_error(run("datasets", "fetch", "hand"))


@pytest.mark.usefixtures("origin")
def test_path_prints_the_folder_and_verifies(run, tmp_path, monkeypatch):
    assert "usguide datasets fetch tiny" in is_one_error(run("datasets", "path", "tiny"))
    folder = datasets.fetch("tiny", root=tmp_path / "to", announce=None)
    monkeypatch.setenv("USGUIDE_DATA_DIR", str(tmp_path / "to"))
    assert run("datasets", "path", "tiny", "--verify") == (0, f"{folder}\n", "")
    (folder / "a.png").write_bytes(CONTENT[::-1])
    assert run("datasets", "path", "tiny") == (0, f"{folder}\n", "")
    assert f"{folder / 'a.png'}: expected 900 bytes" in is_one_error(run("datasets", "path", "tiny", "--verify"))


@pytest.mark.usefixtures("origin")
def test_list_says_what_is_here(run, tmp_path, monkeypatch):
    (tmp_path / "to").mkdir()
    monkeypatch.setenv("USGUIDE_DATA_DIR", str(tmp_path / "to"))

    def here():
        code, out, err = run("datasets", "list", "--json")
        assert (code, err) == (0, "")
        return {facts["name"]: facts["here"] for facts in json.loads(out)}

    assert here() == {"tiny": "no", "hand": "no"}
    datasets.fetch("tiny", root=tmp_path / "to", announce=None)
    (tmp_path / "to" / "hand").mkdir()
    assert here() == {"tiny": "yes", "hand": "yes"}
    monkeypatch.delenv("USGUIDE_DATA_DIR")
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert here() == {"tiny": "unknown", "hand": "unknown"}


def test_list_shows_every_set_and_its_licence(run):
    code, out, _ = run("datasets", "list")
    assert code == 0
    for dataset in datasets.list_datasets():
        assert dataset.name in out
        assert dataset.licence.split()[0] in out


def test_list_of_one_tells_all_about_it(run):
    code, out, _ = run("datasets", "list", "nerve-block-anatomy")
    assert code == 0
    for text in ("CC-BY-4.0", "Kandaouroff", "tmkand/usgra-seg", "190, 14.0 MB", "100 files to tune, 90 files to test"):
        assert text in out
    facts = json.loads(run("datasets", "list", "nerve-block-anatomy", "--json")[1])
    assert facts["file_count"] == len(facts["files"]) == 190
    assert facts["files"][0]["spacing_mm"] == [0.075, 0.075]
    assert facts["files"][0]["url"].endswith("/dataset/images/0000.png")
    assert "got 'nothing'" in is_one_error(run("datasets", "list", "nothing"))


@pytest.mark.parametrize("command", [(), ("list",), ("fetch",), ("path",)], ids=" ".join)
def test_help_teaches_by_example(run, command):
    code, out, err = run("datasets", *command, "--help")
    assert (code, err) == (0, "")
    assert "usguide datasets list" in out or f"usguide datasets {command[0]} " in out
    if not command:
        assert run("datasets") == (2, out, "")
