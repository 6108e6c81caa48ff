"""The registry of public recordings, the folders they lie in, and fetching from a server on this computer."""

import hashlib
import re
import socket
import sys
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from threading import Thread

import pooch
import pytest

import usguide as ug
from usguide import datasets
from usguide.datasets import fetching, local, registry
from usguide.errors import FormatError, InputError, MissingExtraError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER_COMMIT = "fedcba9876543210fedcba9876543210fedcba98"
CONTENT = {"a.bin": b"first" * 500, "sub/b c.bin": b"second" * 40_000}
ADDRESS = {"a.bin": f"/some/where/{COMMIT}/in/a.bin", "sub/b c.bin": f"/some/where/{OTHER_COMMIT}/else/b%20c%231.bin"}
TABLES = f"""
[hand]
title = "By hand"
kind = "needle"
licence = "not stated"
use = "tests"
where = "Some Archive, dataset 17"
layout = "unzip it"

[tiny]
title = "Two files"
kind = "no needle"
licence = "CC0-1.0"
citation = "A. Nobody, 1999"
use = "tests"
origin = "some/where"
commit = "{COMMIT}"
folder = "in"
"""
COLUMNS = "path,upstream_path,commit,sha256,size_bytes,frames,height_px,width_px,axial_mm_per_px,lateral_mm_per_px,spacing_source,region_px,time_s,split"


def rows():
    sums = {name: f"{hashlib.sha256(content).hexdigest()},{len(content)}" for name, content in CONTENT.items()}
    yield COLUMNS
    yield f"tiny/a.bin,,,{sums['a.bin']},3,20,30,0.1,0.2,header,1 2 3 4,0.5,tune"
    yield f"tiny/sub/b c.bin,else/b c#1.bin,{OTHER_COMMIT},{sums['sub/b c.bin']},1,8,9,,,,,,test"


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A registry of one set of two files and one set by hand, and an empty folder for downloads."""
    (tmp_path / "recordings.toml").write_text(TABLES, encoding="utf-8")
    (tmp_path / "recordings.csv").write_text("\n".join(rows()) + "\n", encoding="utf-8")
    known = registry.load_registry(tmp_path)
    monkeypatch.setattr(registry, "shipped_registry", lambda: known)
    monkeypatch.delenv("USGUIDE_DATA_DIR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(pooch.core.time, "sleep", lambda _: None)  # between attempts
    return tmp_path / "data"


class Origin:
    """A server that hands out files by path, cut short or changed where a test wants it, and counts requests."""

    def __init__(self):
        self.files = {ADDRESS[name]: content for name, content in CONTENT.items()}
        self.cut = {}  # path: how many transfers are still to be broken off
        self.asked = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                content = outer.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                broken = outer.cut.get(self.path, 0) > 0
                outer.cut[self.path] = outer.cut.get(self.path, 0) - 1
                self.wfile.write(content[: len(content) // 2] if broken else content)
                self.close_connection = True

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=partial(self.server.serve_forever, poll_interval=0.02))
        self.thread.start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def origin(tiny, monkeypatch):  # noqa: ARG001  (its registry has to be there first)
    server = Origin()
    monkeypatch.setattr(registry, "RAW_ADDRESS", server.address)
    yield server
    server.close()


def put(root, name="tiny", **changed):
    for path, content in CONTENT.items():
        target = root / name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(changed.get(path[0], content))
    return root / name


def left_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    return text


# What ships


def test_every_row_is_well_formed():
    sets = datasets.list_datasets()
    rows = [file for dataset in sets for file in dataset.files]
    assert len(rows) == 410
    assert len({(f.dataset, f.path) for f in rows}) == len({f.url for f in rows}) == 410
    for f in rows:
        assert re.fullmatch(r"[0-9a-f]{64}", f.sha256), f
        assert re.fullmatch(r"[0-9a-f]{40}", f.commit), f
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", f.origin), f
        for path in (f.path, f.upstream_path):
            assert not PurePosixPath(path).is_absolute(), f
            assert not {"..", ".", ""} & set(path.split("/")), f
            assert "\\" not in path, f
        assert re.fullmatch(r"https://raw\.githubusercontent\.com/[!-~]+", f.url), f
        assert min(f.size_bytes, f.frame_count, f.height_px, f.width_px) > 0, f
        assert (f.spacing_mm is None) == (f.spacing_source is None), f
        assert f.spacing_mm is None or all(0.01 < s < 0.5 for s in f.spacing_mm), f
        assert f.split in {None, "tune", "test"}, f
        if f.region_px is not None:
            x, y, w, h = f.region_px
            assert x >= 0, f
            assert y >= 0, f
            assert 0 < w <= f.width_px - x, f
            assert 0 < h <= f.height_px - y, f


def test_every_set_says_what_a_user_has_to_know():
    sets = datasets.list_datasets()
    assert len(sets) == 16
    assert [d.downloadable for d in sets] == [True] * 7 + [False] * 9
    for d in sets:
        assert d.title, d.name
        assert d.licence, d.name
        assert d.use, d.name
        assert d.kind in {"needle", "no needle", "moving tool", "mixed"}
        if d.downloadable:
            assert d.citation, d.name
            assert not d.where, d.name
        else:
            assert d.where, d.name
            assert d.layout, d.name
            assert not d.origin, d.name


def test_facts_of_known_files():
    by_path = {f.path: f for f in datasets.files("biopsy-needle")}
    f = by_path["45.png"]
    assert (f.spacing_mm, f.spacing_source, f.region_px) == ((0.0593, 0.0593), "ruler", (368, 111, 647, 590))
    assert (f.height_px, f.width_px, f.frame_count, f.time_s, f.split) == (960, 1280, 1, None, None)
    origin = "https://raw.githubusercontent.com/janwolzenburg/us-detection-biopsy-needle"
    assert f.url == f"{origin}/58958c7972866cc23f9fd0f0b9ff196da8ab842d/examples/resources/single_frames/45.png"
    assert (
        by_path["34.png"].url == f"{origin}/fdb8b590fb46652f4090f9f51dcadf20d08ed123/needle_detection/resources/34.png"
    )
    timed = datasets.files("qa-phantom")
    assert timed[0].time_s == 95.965
    assert timed[0].upstream_path == "src/python/slice_data/95.9650.0.png"
    assert [t.time_s for t in timed] == sorted(t.time_s for t in timed)


def test_splits_share_nothing_and_keep_a_still_with_its_mask():
    tune, test = (datasets.files("nerve-block-anatomy", split=s) for s in ("tune", "test"))
    assert len(tune) + len(test) == len(datasets.files("nerve-block-anatomy")) == 190
    stills = [{f.path.removeprefix("images/") for f in datasets.files("nerve-block-anatomy", split=s, match="images/*")} for s in ("tune", "test")]  # fmt: skip
    masks = [{f.path.removeprefix("masks/") for f in datasets.files("nerve-block-anatomy", split=s, match="masks/*")} for s in ("tune", "test")]  # fmt: skip
    assert stills == masks
    assert not stills[0] & stills[1]


def test_wrong_names_and_splits_are_refused():
    with pytest.raises(InputError, match=r"expected one of biopsy-needle, .*got 'bicycle'"):
        ug.datasets.describe("bicycle")
    with pytest.raises(InputError, match="expected test or tune, got 'train'"):
        datasets.files("nerve-block-anatomy", split="train")
    with pytest.raises(InputError, match="the set has no split"):
        datasets.files("qa-phantom", split="tune")


def test_the_recordings_here_are_those_of_the_registry(recordings):
    wrong = [
        f"{f.dataset}/{f.path}"
        for d in datasets.list_datasets()
        for f in d.files
        if not datasets.is_intact(f, recordings / d.name)
    ]
    assert wrong == []
    assert datasets.path("plus", root=recordings, verify_checksums=True) == recordings / "plus"


# Fetching


@pytest.mark.usefixtures("tiny")
def test_rows_become_files():
    a, b = datasets.files("tiny")
    assert (a.path, a.commit, a.upstream_path) == ("a.bin", COMMIT, "in/a.bin")
    assert (a.spacing_mm, a.spacing_source, a.region_px, a.time_s, a.split) == (
        (0.1, 0.2),
        "header",
        (1, 2, 3, 4),
        0.5,
        "tune",
    )
    assert (a.frame_count, a.height_px, a.width_px, a.size_bytes) == (3, 20, 30, 2500)
    assert b.url == f"https://raw.githubusercontent.com{ADDRESS['sub/b c.bin']}"
    assert (b.spacing_mm, b.spacing_source, b.region_px, b.time_s, b.split) == (None, None, None, None, "test")
    assert datasets.files("tiny", split="test") == (b,)
    assert datasets.describe("tiny").size_bytes == 242_500


def test_fetch_shows_the_licence_and_brings_every_file(tiny, origin, capsys):
    seen = []
    folder = datasets.fetch("tiny", root=tiny, progress=lambda done, total: seen.append((done, total)))
    assert folder == tiny / "tiny"
    assert {p: (folder / p).read_bytes() for p in left_in(folder)} == CONTENT
    assert origin.asked == list(ADDRESS.values())
    shown = capsys.readouterr()
    assert "CC0-1.0" in shown.err
    assert "A. Nobody, 1999" in shown.err
    assert shown.out == ""
    done = [d for d, _ in seen]
    assert done == sorted(done)
    assert seen[-1] == (242_500, 242_500)
    assert all((folder / p).stat().st_mode & 0o444 == 0o444 for p in CONTENT)


def test_the_licence_is_shown_before_the_first_request(tiny, origin):
    asked = []
    datasets.fetch("tiny", root=tiny, announce=lambda _: asked.append(list(origin.asked)))
    assert asked == [[]]


def test_what_is_there_is_not_fetched_again(tiny, origin, capsys):
    put(tiny, s=b"damaged")
    datasets.fetch("tiny", root=tiny)
    assert origin.asked == [ADDRESS["sub/b c.bin"]]
    assert (tiny / "tiny" / "sub" / "b c.bin").read_bytes() == CONTENT["sub/b c.bin"]
    capsys.readouterr()
    datasets.fetch("tiny", root=tiny)
    assert len(origin.asked) == 1
    assert capsys.readouterr().err == ""


def test_a_wrong_checksum_is_not_kept(tiny, origin):
    path = ADDRESS["sub/b c.bin"]
    origin.files[path] = b"x" * len(origin.files[path])
    with pytest.raises(FormatError) as error:
        datasets.fetch("tiny", root=tiny, announce=None)
    assert "b%20c%231.bin: expected SHA256" in one_line(error)
    assert left_in(tiny) == ["tiny/a.bin"]
    assert origin.asked.count(path) == fetching.RETRIES + 1


def test_an_interrupted_transfer_is_tried_again(tiny, origin):
    path = ADDRESS["sub/b c.bin"]
    origin.cut[path] = 2
    seen = []
    folder = datasets.fetch("tiny", root=tiny, announce=None, progress=lambda *step: seen.append(step))
    assert origin.asked.count(path) == 3
    assert left_in(folder) == sorted(CONTENT)
    assert (folder / "sub" / "b c.bin").read_bytes() == CONTENT["sub/b c.bin"]
    assert max(seen) == seen[-1] == (242_500, 242_500)


def test_a_transfer_that_always_breaks_off_is_an_error_and_can_be_resumed(tiny, origin):
    path = ADDRESS["sub/b c.bin"]
    origin.cut[path] = 99
    with pytest.raises(FormatError) as error:
        datasets.fetch("tiny", root=tiny, announce=None)
    assert re.search(r"transfer failed 4 times \(\w+\); check the connection", one_line(error))
    assert left_in(tiny) == ["tiny/a.bin"]
    origin.cut.clear()
    origin.asked.clear()
    datasets.fetch("tiny", root=tiny, announce=None)
    assert origin.asked == [path]


def test_a_file_that_is_gone_from_the_origin_is_an_error(tiny, origin):
    del origin.files[ADDRESS["a.bin"]]
    with pytest.raises(FormatError) as error:
        datasets.fetch("tiny", root=tiny, announce=None)
    assert "404" in one_line(error)
    assert left_in(tiny) == []


def test_without_a_network_there_is_one_clear_line(tiny, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(registry, "RAW_ADDRESS", f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(FormatError) as error:
            datasets.fetch("tiny", root=tiny, announce=None)
    assert "check the connection" in one_line(error)
    assert left_in(tiny) == []


@pytest.mark.usefixtures("origin")
def test_ctrl_c_leaves_nothing_half_written(tiny):
    def stop(done, total):
        if 2500 < done < total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        datasets.fetch("tiny", root=tiny, announce=None, progress=stop)
    assert left_in(tiny) == ["tiny/a.bin"]


def test_a_folder_that_can_not_be_made_is_an_error_that_says_what_to_do(tiny, origin):
    tiny.write_bytes(b"a file where a folder has to be")
    with pytest.raises(FormatError) as error:
        datasets.fetch("tiny", root=tiny, announce=None)
    assert re.search(r"expected a folder that can be written, .*--to DIR.*USGUIDE_DATA_DIR", one_line(error))
    assert origin.asked == []


def test_a_read_only_cache_serves_what_it_holds(tiny, origin, monkeypatch):
    put(tiny)

    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    # Root may write everywhere: what pooch writes with is made to refuse instead.
    monkeypatch.setattr(pooch.utils.tempfile, "NamedTemporaryFile", refuse)
    assert datasets.fetch("tiny", root=tiny) == tiny / "tiny"
    (tiny / "tiny" / "a.bin").unlink()
    with pytest.raises(
        FormatError, match=r"expected a folder that can be written, got: .*ermission denied.*--to DIR"
    ) as error:
        datasets.fetch("tiny", root=tiny, announce=None)
    one_line(error)
    assert origin.asked == []


@pytest.mark.usefixtures("origin")
def test_pooch_keeps_its_own_log_level(tiny):
    before = pooch.get_logger().level
    datasets.fetch("tiny", root=tiny, announce=None)
    assert pooch.get_logger().level == before


# Folders


@pytest.mark.usefixtures("origin")
def test_the_cache_is_the_users(tiny, monkeypatch):
    monkeypatch.setattr(pooch, "os_cache", lambda project: tiny / project)
    with pytest.raises(InputError, match=r"a.bin: absent \(2 of 2 files of tiny\); run: usguide datasets fetch tiny"):
        datasets.path("tiny")
    assert datasets.fetch("tiny", announce=None) == tiny / "usguide" / "tiny" == datasets.path("tiny")


def test_a_named_folder_takes_the_place_of_a_download(tiny, origin, monkeypatch):
    folder = put(tiny)
    monkeypatch.setenv("USGUIDE_DATA_DIR", str(tiny))
    assert datasets.fetch("tiny") == datasets.path("tiny") == datasets.path("tiny", verify_checksums=True) == folder
    (folder / "a.bin").write_bytes(CONTENT["a.bin"][:-1] + b"!")
    assert datasets.path("tiny") == folder
    for verified in (partial(datasets.path, verify_checksums=True), datasets.fetch):
        with pytest.raises(
            FormatError, match=r"a\.bin: expected 2500 bytes, SHA256 [0-9a-f]{12}\.\.\., got another"
        ) as error:
            verified("tiny")
        one_line(error)
    assert (folder / "a.bin").read_bytes().endswith(b"!")  # the user's folder is never changed unasked
    (folder / "a.bin").unlink()
    for get in (datasets.path, datasets.fetch):
        with pytest.raises(InputError, match=r"a\.bin: absent \(1 of 2 files of tiny\)"):
            get("tiny")
    assert origin.asked == []
    datasets.fetch("tiny", root=tiny, announce=None)
    assert datasets.path("tiny", verify_checksums=True) == folder


def test_a_named_folder_has_to_be_one(tiny, monkeypatch):
    monkeypatch.setenv("USGUIDE_DATA_DIR", str(tiny / "absent"))
    with pytest.raises(InputError, match=r"USGUIDE_DATA_DIR: expected a folder, got .*absent"):
        datasets.path("tiny")


def test_a_set_by_hand_is_never_downloaded(tiny, origin, monkeypatch):
    for get in (datasets.fetch, datasets.path):
        with pytest.raises(InputError) as error:
            get("hand", root=tiny)
        text = one_line(error)
        assert "get it from Some Archive, dataset 17" in text
        assert f"put it into {tiny}/hand (unzip it)" in text
    (tiny / "hand").mkdir(parents=True)
    monkeypatch.setenv("USGUIDE_DATA_DIR", str(tiny))
    assert datasets.path("hand") == tiny / "hand"
    with pytest.raises(InputError, match="checksums"):
        datasets.path("hand", verify_checksums=True)
    assert origin.asked == []


def test_without_pooch_only_downloads_and_the_cache_fail(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    for get in (datasets.fetch, datasets.path, partial(datasets.fetch, root=tiny)):
        with pytest.raises(MissingExtraError, match=r"pip install 'usguide\[data\]'") as error:
            get("tiny")
        one_line(error)
    assert [d.name for d in datasets.list_datasets()] == ["tiny", "hand"]
    folder = put(tiny)
    monkeypatch.setenv("USGUIDE_DATA_DIR", str(tiny))
    assert datasets.path("tiny", verify_checksums=True) == datasets.fetch("tiny") == folder
    assert local.data_root("elsewhere").name == "elsewhere"
