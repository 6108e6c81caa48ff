// The picture with everything on it. Lines, forms and words as in overlay.mp4 (docs/results.md).

const BLUE = "#56b4e9", ORANGE = "#e69f00", YELLOW = "#f0e442", PINK = "#e08dbb", VERMILION = "#ff7a45", WHITE = "#f2f5f7";
// From long ago to now, as in overlay.mp4: viridis with a lighter start, which any colour vision and grey put in order.
const TIME_COLOURS = ["#8d6fd1", "#5f8fd6", "#3aa6b9", "#1fbf9c", "#5fd36b", "#a0da39", "#fde725"];
const PATH_MM = 10;
const KEPT_S = 30;
const SURE = 0.5;

// Where a picture lies on a canvas of w x h px: whole, centred, with square millimetres.
export function fit(place, w, h) {
  const wide = place.width * place.lateral_mm_per_px, high = place.height * place.axial_mm_per_px;
  const pxPerMm = Math.min(w / wide, h / high);
  const left = (w - wide * pxPerMm) / 2, top = (h - high * pxPerMm) / 2;
  // Whole pixel coordinates are pixel centres: the picture begins half a pixel before its origin.
  const x0 = place.origin_mm[0] - place.lateral_mm_per_px / 2, z0 = place.origin_mm[1] - place.axial_mm_per_px / 2;
  return {
    pxPerMm, left, top, width: wide * pxPerMm, height: high * pxPerMm, wide, high, x0, z0,
    toPx: ([x, z]) => [left + (x - x0) * pxPerMm, top + (z - z0) * pxPerMm],
    toMm: ([x, y]) => [x0 + (x - left) / pxPerMm, z0 + (y - top) / pxPerMm],
  };
}

// scene: { bitmap, head, record (null: nothing is drawn), outlines, keepOut, draft, dim }
export function drawScene(c, scene, at, unit) {
  c.imageSmoothingEnabled = true;
  c.save();
  if (scene.dim) c.globalAlpha = 0.45;
  c.drawImage(scene.bitmap, at.left, at.top, at.width, at.height);
  c.restore();
  c.save();
  c.beginPath();
  c.rect(at.left, at.top, at.width, at.height);
  c.clip();
  const pen = new Pen(c, at, unit);
  for (const [name, outline] of Object.entries(scene.keepOut)) keepOut(pen, name, outline);
  if (scene.record) {
    injectate(pen, scene.outlines, (scene.record.injectate?.confidence ?? 1) >= SURE);
    if (scene.outlines.length) timeKey(pen);
    if (scene.record.target) target(pen, scene.record.target.position_mm, scene.head.target_outline_mm);
    if (scene.record.tip && scene.record.state !== "LOST") needle(pen, scene.record, scene.head.covariance_mm2);
  }
  if (scene.draft) draft(pen, scene.draft);
  c.restore();
  scaleBar(pen);
}

class Pen {
  constructor(c, at, unit) {
    Object.assign(this, { c, at, unit });
  }

  // points in mm; each line with a dark one under it, to be seen on bright fascia and on black.
  stroke(points, colour, width, { dash = [], closed = false, px = false } = {}) {
    const c = this.c;
    c.lineCap = dash.length ? "butt" : "round";
    c.lineJoin = "round";
    c.beginPath();
    points.forEach((p, k) => {
      const [x, y] = px ? p : this.at.toPx(p);
      if (k) c.lineTo(x, y);
      else c.moveTo(x, y);
    });
    if (closed) c.closePath();
    c.setLineDash(dash.map((d) => d * this.unit));
    for (const [ink, thick] of [["#000c", width + 2.5], [colour, width]]) {
      c.strokeStyle = ink;
      c.lineWidth = thick * this.unit;
      c.stroke();
    }
    c.setLineDash([]);
  }

  words(text, x, y, colour, size, align = "left") {
    const c = this.c;
    c.font = `600 ${size * this.unit}px system-ui, 'DejaVu Sans', sans-serif`;
    c.textAlign = align;
    c.textBaseline = "alphabetic";
    c.lineWidth = 4 * this.unit;
    c.lineJoin = "round";
    c.strokeStyle = "#000d";
    c.strokeText(text, x, y);
    c.fillStyle = colour;
    c.fillText(text, x, y);
  }
}

function needle(pen, record, covariance) {
  const seen = record.state === "TRACKING";
  const colour = seen ? BLUE : ORANGE;
  const entry = record.shaft.entry_mm, distal = record.shaft.distal_mm, tip = record.tip.position_mm;
  const length = distance(entry, tip);
  if (length > 0) {
    const along = record.target ? record.target.along_mm : null;
    const ahead = along === null ? PATH_MM : Math.max(along, 0);
    const end = [0, 1].map((k) => tip[k] + ((tip[k] - entry[k]) * ahead) / length);
    pen.stroke([tip, end], colour, 2, { dash: [3, 6] });
  }
  const visible = distance(entry, distal) < length ? distal : tip;
  if (seen) {
    pen.stroke([visible, tip], colour, 3, { dash: [8, 6] });
    pen.stroke([entry, visible], colour, 3);
  } else {
    pen.stroke([entry, tip], colour, 3, { dash: [10, 8] });
  }
  if (covariance) pen.stroke(ellipse(tip, covariance), seen ? YELLOW : ORANGE, 1.8, { closed: true, dash: seen ? [] : [6, 5] });
  const [x, y] = pen.at.toPx(tip), r = (seen ? 8 : 10) * pen.unit;
  if (seen) {
    pen.stroke([[x - r, y - r], [x + r, y + r]], YELLOW, 2.5, { px: true });
    pen.stroke([[x - r, y + r], [x + r, y - r]], YELLOW, 2.5, { px: true });
  } else {
    pen.stroke([[x - r, y], [x, y - r], [x + r, y], [x, y + r]], ORANGE, 2.5, { px: true, closed: true });
  }
}

// Holds the tip with 95 %.
function ellipse(centre, [[a, b], [, d]]) {
  const middle = (a + d) / 2, spread = Math.hypot((a - d) / 2, b);
  const turn = Math.atan2(2 * b, a - d) / 2;
  const [long, short] = [middle + spread, middle - spread].map((v) => Math.sqrt(5.991 * Math.max(v, 0)));
  const points = [];
  for (let k = 0; k < 48; k++) {
    const t = (2 * Math.PI * k) / 48, u = long * Math.cos(t), v = short * Math.sin(t);
    points.push([centre[0] + u * Math.cos(turn) - v * Math.sin(turn), centre[1] + u * Math.sin(turn) + v * Math.cos(turn)]);
  }
  return points;
}

function target(pen, position, outline) {
  if (outline) pen.stroke(outline, PINK, 2, { closed: true });
  const [x, y] = pen.at.toPx(position), r = 13 * pen.unit;
  const circle = Array.from({ length: 40 }, (_, k) => [x + r * Math.cos((Math.PI * k) / 20), y + r * Math.sin((Math.PI * k) / 20)]);
  pen.stroke(circle, PINK, 2.5, { px: true, closed: true });
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    pen.stroke([[x + 0.5 * r * dx, y + 0.5 * r * dy], [x + 1.8 * r * dx, y + 1.8 * r * dy]], PINK, 2.5, { px: true });
  }
}

// Hatched, so that it is no other outline to whoever sees no colours.
function keepOut(pen, name, outline) {
  const c = pen.c, points = outline.map(pen.at.toPx);
  const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  c.save();
  c.beginPath();
  points.forEach(([x, y], k) => (k ? c.lineTo(x, y) : c.moveTo(x, y)));
  c.closePath();
  c.clip();
  for (let x = x0 - (y1 - y0); x < x1; x += 11 * pen.unit) {
    pen.stroke([[x, y1], [x + (y1 - y0), y0]], VERMILION, 1, { px: true });
  }
  c.restore();
  pen.stroke(outline, VERMILION, 2, { closed: true });
  pen.words(`keep out: ${name}`, (x0 + x1) / 2, y0 - 7 * pen.unit, VERMILION, 13, "center");
}

// That of now is broken where it is not sure.
function injectate(pen, outlines, sure) {
  if (!outlines.length) return;
  const now = outlines[outlines.length - 1].at;
  outlines.forEach(({ at, contours }, k) => {
    const newest = k === outlines.length - 1;
    const step = Math.round((TIME_COLOURS.length - 1) * (1 - Math.min(1, (now - at) / KEPT_S)));
    const dash = newest && !sure ? [7, 5] : [];
    for (const contour of contours) pen.stroke(contour, TIME_COLOURS[step], newest ? 2.5 : 1.2, { closed: true, dash });
  });
}

function timeKey(pen) {
  const { at, unit, c } = pen, w = 14 * unit, x = at.left + 12 * unit, y = at.top + at.height - 16 * unit;
  TIME_COLOURS.forEach((colour, k) => {
    c.fillStyle = colour;
    c.fillRect(x + k * w, y, w, 7 * unit);
  });
  pen.words(`injectate −${KEPT_S} s to now`, x, y - 6 * unit, WHITE, 12);
}

function scaleBar(pen) {
  const { at, unit } = pen;
  const fitting = [1, 2, 5, 10, 20, 50].filter((v) => v <= 0.25 * at.wide);
  const mm = fitting.length ? fitting[fitting.length - 1] : 1;
  const right = at.left + at.width - 14 * unit, y = at.top + at.height - 12 * unit, left = right - mm * at.pxPerMm;
  pen.stroke([[left, y], [right, y]], WHITE, 2, { px: true });
  for (const x of [left, right]) pen.stroke([[x, y - 4 * unit], [x, y + 4 * unit]], WHITE, 2, { px: true });
  pen.words(`${mm} mm`, right, y - 9 * unit, WHITE, 13, "right");
}

// What the operator is pointing at: a cross, and the needle that is being drawn by hand.
function draft(pen, { cross, entry }) {
  if (entry && cross) pen.stroke([entry, cross], WHITE, 2, { dash: [6, 5] });
  for (const point of [entry, cross]) {
    if (!point) continue;
    const [x, y] = pen.at.toPx(point), r = 16 * pen.unit;
    pen.stroke([[x - r, y], [x + r, y]], WHITE, 1.5, { px: true });
    pen.stroke([[x, y - r], [x, y + r]], WHITE, 1.5, { px: true });
  }
}

function distance(a, b) {
  return Math.hypot(a[0] - b[0], a[1] - b[1]);
}
