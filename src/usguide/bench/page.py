"""The report's look, and the pieces that its HTML is made of."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--paper:#fff;--panel:#f4f6f8;--edge:#d9dee5;
--s0:#0b6fb8;--s1:#b35900;--s2:#7a3e9d;--s3:#2c7a4b;--good:#1d7a46;--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--ink:#e7ebf0;--soft:#a3adba;--paper:#14181d;--panel:#1d232a;--edge:#343c46;
--s0:#63b3ee;--s1:#f0a04b;--s2:#c79be0;--s3:#6fcf97;--good:#6fcf97;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem clamp(.8rem,3vw,2rem) 4rem;max-width:76rem;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.6rem;margin:.6rem 0 .2rem}
h2{font-size:1.25rem;margin:2.4rem 0 .6rem;border-bottom:1px solid var(--edge);padding-bottom:.3rem}
h3{font-size:1rem;margin:1.4rem 0 .4rem}
p,ul{margin:.4rem 0;max-width:52rem}.soft,figcaption,dt{color:var(--soft)}.notice{font-weight:600}
.scroll{overflow-x:auto;border:1px solid var(--edge);border-radius:8px;margin:.5rem 0}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;overflow-wrap:normal}
th,td{padding:.35rem .7rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--edge)}
tr:last-child td,tr:last-child th{border-bottom:0}
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:var(--panel)}
thead th{background:var(--panel);font-weight:600}td small{color:var(--soft)}
td.word,th.word{text-align:left}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,21rem),1fr));gap:1rem}
.panel{background:var(--panel);border:1px solid var(--edge);border-radius:8px;padding:.8rem}
.panel h3{margin:.1rem 0 .4rem}
.chart{width:100%;height:auto;display:block}.chart text{fill:var(--soft);font-size:12px}
.grid{stroke:var(--edge);stroke-width:1;fill:none}.ideal{stroke:var(--soft);stroke-dasharray:3 4;fill:none}
.line{fill:none;stroke-width:2.4}.s0{stroke:var(--s0)}.s1{stroke:var(--s1);stroke-dasharray:7 4}
.s2{stroke:var(--s2);stroke-dasharray:2 4}.s3{stroke:var(--s3)}.dot{fill:var(--paper);stroke-width:2;stroke-dasharray:none}
.bar{fill:var(--s0)}.legend{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:.3rem 0 0;font-size:.9rem}
.key{width:28px;height:8px;margin-right:.4rem;vertical-align:middle}
.frames{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,15rem),1fr));gap:.8rem}
figure{margin:0}figure img{width:100%;height:auto;border-radius:6px;background:#000;display:block}
figcaption{font-size:.85rem;margin-top:.2rem}
.good{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:.4rem 0}dd{margin:0}
details{margin:.6rem 0}summary{cursor:pointer;font-weight:600}
@media (max-width:30rem){dl{grid-template-columns:1fr}dd{margin-bottom:.3rem}th,td{padding:.3rem .5rem}
td small{display:block}
td:first-child,th:first-child{white-space:normal;min-width:7.5rem;max-width:9rem}}
"""


def page(title: str, body: str) -> str:
    """Return a whole page that needs nothing from outside."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, words: Sequence[int] = ()) -> str:
    """Return a table that scrolls within its own box.

    Parameters
    ----------
    head : sequence of str
        Plain text.
    rows : sequence of sequences of str
        HTML; the first cell of each is its name.
    words : sequence of int
        Columns that hold words, set to the left.
    """
    marks = ['class="word"' if k in words else "" for k in range(len(head))]
    top = "".join(f"<th {m}>{escape(h)}</th>" for m, h in zip(marks, head, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td {m}>{cell}</td>" for m, cell in zip(marks, row, strict=True)) + "</tr>" for row in rows
    )
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def number(value: Any, digits: int = 2, *, scale: float = 1.0) -> str:
    """Return a figure, ``infinite`` where misses reach it, and a dash where there is nothing to say."""
    if value is None:
        return "-"
    return escape(value) if isinstance(value, str) else f"{scale * value:.{digits}f}"


def estimate(found: dict[str, Any] | None, digits: int = 2, *, scale: float = 1.0) -> str:
    """Return a figure with its 95 % interval."""
    if found is None or found["value"] is None:
        return "-"
    text = number(found["value"], digits, scale=scale)
    if found["low"] is None:
        return text
    low, high = (number(found[k], digits, scale=scale) for k in ("low", "high"))
    return f"{text} <small>{low} to {high}</small>"


def share(found: dict[str, Any] | None) -> str:
    """Return a share in percent with its interval."""
    return estimate(found, 0, scale=100.0)


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Return names and values; plain text."""
    return "<dl>" + "".join(f"<dt>{escape(n)}</dt><dd>{escape(v)}</dd>" for n, v in pairs) + "</dl>"
