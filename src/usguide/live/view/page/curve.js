// Area of the injectate over the last 30 seconds.

import { KEPT_S } from "./history.js";

export function drawCurve(canvas, results, now) {
  const box = canvas.getBoundingClientRect();
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(box.width * ratio));
  canvas.height = Math.max(1, Math.round(box.height * ratio));
  const c = canvas.getContext("2d");
  c.scale(ratio, ratio);
  const left = 34, right = box.width - 4, top = 8, bottom = box.height - 18;
  const points = results.filter((r) => r.record.injectate).map((r) => [r.at, r.record.injectate.area_mm2]);
  const most = niceTop(Math.max(10, ...points.map((p) => p[1])));
  const x = (at) => right - ((right - left) * (now - at)) / KEPT_S;
  const y = (area) => bottom - ((bottom - top) * area) / most;

  c.font = "12px system-ui, 'DejaVu Sans', sans-serif";
  c.fillStyle = c.strokeStyle = "#b4bec7";
  c.lineWidth = 1;
  c.beginPath();
  c.moveTo(left, top), c.lineTo(left, bottom), c.lineTo(right, bottom);
  c.stroke();
  c.textAlign = "right", c.textBaseline = "middle";
  c.fillText(String(most), left - 4, top + 2), c.fillText("0", left - 4, bottom);
  c.textBaseline = "top";
  c.textAlign = "left", c.fillText(`−${KEPT_S} s`, left, bottom + 4);
  c.textAlign = "right", c.fillText("now", right, bottom + 4);
  c.textAlign = "left", c.fillText("mm²", left + 4, top - 4);
  for (const r of results) {
    if (r.record.events.some((e) => e.startsWith("injection marked"))) mark(c, x(r.at), top, bottom);
  }
  if (!points.length) {
    c.textAlign = "center", c.textBaseline = "middle";
    c.fillText("no injectate measured", (left + right) / 2, (top + bottom) / 2);
    return;
  }
  const spread = results.filter((r) => r.record.injectate).map((r) => [r.at, r.record.injectate.area_mm2, r.record.injectate.area_sigma_mm2 ?? 0]);
  c.fillStyle = "#f0e44240";
  c.beginPath();
  spread.forEach(([at, area, sigma], k) => c[k ? "lineTo" : "moveTo"](x(at), Math.max(top, y(area + sigma))));
  spread.toReversed().forEach(([at, area, sigma]) => c.lineTo(x(at), Math.min(bottom, y(area - sigma))));
  c.fill();
  c.strokeStyle = "#f0e442", c.lineWidth = 2.5, c.lineJoin = "round";
  c.beginPath();
  points.forEach(([at, area], k) => (k ? c.lineTo(x(at), y(area)) : c.moveTo(x(at), y(area))));
  c.stroke();
}

function mark(c, x, top, bottom) {
  c.save();
  c.strokeStyle = "#f2f5f7", c.setLineDash([4, 3]);
  c.beginPath();
  c.moveTo(x, top), c.lineTo(x, bottom);
  c.stroke();
  c.restore();
}

function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((k) => k * power).find((v) => v >= value);
}
