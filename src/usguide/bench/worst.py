"""The worst frames, to look at: captions, figures of the report, and a sheet of pictures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

import cv2
import numpy as np

from usguide.bench.pictures import WIDTH_PX
from usguide.bench.running import WorstFrame

COLUMNS = 2
CAPTION_PX = 22


def caption(w: WorstFrame) -> str:
    """Say which frame it is, what is wrong, and by how much."""
    units = {"false alarm": "confidence {:.2f}", "wrong tip": "{:.1f} mm off", "miss": "needle at {:.1f} dB"}
    return f"{w.sequence}, frame {w.index}: {w.fault}, {units[w.fault].format(w.size)}"


def frames_html(frames: Sequence[WorstFrame], names: Sequence[str]) -> str:
    """Return the pictures with their captions; `names` are the detectors, ours first."""
    shown = "".join(
        f'<figure><img alt="{escape(w.fault)} in {escape(w.sequence)}" '
        f'src="data:image/jpeg;base64,{base64.b64encode(w.jpeg).decode("ascii")}">'
        f"<figcaption>{escape(caption(w))}</figcaption></figure>"
        for w in frames
    )
    key = f"Green, dashed: truth. Blue: {names[0]}." + (f" Orange: {', '.join(names[1:])}." if len(names) > 1 else "")
    return f'<p class="soft">{escape(key)}</p><div class="frames">{shown}</div>'


def save_sheet(path: Path, frames: Sequence[WorstFrame]) -> None:
    """Write the pictures as one PNG, two a row with their captions, under a temporary name until it is complete.

    Parameters
    ----------
    path : Path
    frames : sequence of WorstFrame
        At least one.
    """
    cells = []
    for w in frames:
        image = np.asarray(cv2.imdecode(np.frombuffer(w.jpeg, np.uint8), cv2.IMREAD_COLOR))
        label = np.zeros((CAPTION_PX, WIDTH_PX, 3), np.uint8)
        cv2.putText(label, caption(w), (4, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
        cells.append(np.vstack([label, image]))
    rows = []
    for k in range(0, len(cells), COLUMNS):
        row = cells[k : k + COLUMNS]
        height = max(cell.shape[0] for cell in row)
        sheet = np.zeros((height, COLUMNS * WIDTH_PX, 3), np.uint8)
        for column, cell in enumerate(row):
            sheet[: cell.shape[0], column * WIDTH_PX : (column + 1) * WIDTH_PX] = cell
        rows.append(sheet)
    _, data = cv2.imencode(".png", np.vstack(rows))
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_bytes(data.tobytes())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
