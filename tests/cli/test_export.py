"""`usguide export` as people run it, after a real run."""

import json
import sys

import numpy as np
import pytest

from usguide import cli


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["usguide", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def test_a_run_is_exported_to_all_formats(tmp_path, monkeypatch):
    out, labels = tmp_path / "out", tmp_path / "labels"
    assert (
        run(
            monkeypatch,
            "track",
            "phantom:inplane-fascia",
            "--entry",
            "left",
            "--angle",
            "15:60",
            "--out",
            out,
            "--no-video",
            "--quiet",
        )
        == 0
    )
    assert run(monkeypatch, "export", out, "-f", "coco", "-f", "mot", "-f", "markups", "--out", labels, "--quiet") == 0
    assert {p.name for p in labels.iterdir()} == {"coco.json", "mot.txt", "needle.mrk.json"}
    shown = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    shown = [r for r in shown if r["state"] in ("TRACKING", "COASTING")]
    boxes = np.loadtxt(labels / "mot.txt", delimiter=",", ndmin=2)
    assert {int(b[0]) - 1 for b in boxes} == {r["index"] for r in shown}
    coco = json.loads((labels / "coco.json").read_text())
    first = next(a for a in coco["annotations"] if a["image_id"] == shown[-1]["index"])
    assert first["keypoints"][3:5] == shown[-1]["tip"]["position_px"]
    assert coco["images"][0]["width"] == 320


def test_a_folder_without_results_is_one_line_and_code_2(tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, "export", tmp_path, "-f", "coco") == 2
    assert "expected the results of 'usguide track'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert run(monkeypatch, "export", tmp_path, "-f", "voc") == 2
    assert "expected one of coco, mot, markups, got voc" in capsys.readouterr().err
