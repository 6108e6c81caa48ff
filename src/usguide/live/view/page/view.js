// The page: takes messages, keeps the last 30 seconds, shows one picture and what is true now.

import { drawCurve } from "./curve.js";
import { drawScene, fit } from "./draw.js";
import { asCsv, asJsonl, save } from "./export.js";
import { History } from "./history.js";
import { Link } from "./link.js";
import { operate } from "./operate.js";
import { advice, drawable, ofState, percent, situation } from "./words.js";

const $ = (id) => document.getElementById(id);
const seconds = () => performance.now() / 1000;
const canvas = $("canvas"), context = canvas.getContext("2d", { alpha: false });

const WORDS_S = 0.1; // nobody reads digits that change oftener, and each change lays the page out anew

const live = new History();
let looked = null; // a copy of the history while paused
let position = 0; // of the picture that is looked at
let status = null, keepOut = {}, heardAt = seconds(), wasOpen = false;
let shown = null; // { bitmap, picture }, decoded and painted next
let painted = null; // { scene, of (record of the picture), is (state) } on the canvas
let decoding = false, dirty = false, asked = false, at = null;
let saidAt = 0; // when words were written
const drawnAt = []; // times, for the rate

const page = {
  mode: "target",
  draft: null,
  at: () => (shown ? at : null),
  redraw,
  act: {
    target(mm) {
      page.draft = null;
      say(link.send("set_target", { target_mm: mm && mm.map(rounded) }));
    },
    seed(entry, tip) {
      page.draft = null;
      if (Math.hypot(entry[0] - tip[0], entry[1] - tip[1]) < 1) return message("entry and tip: expected 1 mm between them, or more");
      say(link.send("seed", { entry_mm: entry.map(rounded), tip_mm: tip.map(rounded) }));
    },
    mode(mode) {
      page.mode = mode;
      page.draft = null;
      for (const id of ["target", "seed"]) $(id).setAttribute("aria-pressed", String(id === mode));
      redraw();
    },
    cancel() {
      page.act.mode("target");
    },
    reset: () => say(link.send("reset")),
    inject: () => say(link.send("mark_injection")),
    pause: () => (looked ? goOn() : pause()),
    snapshot,
    jsonl: () => save(new Blob([asJsonl(history().results)], { type: "application/jsonl" }), `${fileStem()}.jsonl`),
    csv: () => save(new Blob([asCsv(history().results)], { type: "text/csv" }), `${fileStem()}.csv`),
    keys: () => ($("keys").open = !$("keys").open),
  },
  step: (n) => lookAt((looked ? position : live.pictures.length - 1) + n),
  leap(s) {
    const pictures = history().pictures, from = pictures[looked ? position : pictures.length - 1];
    if (!from) return;
    const found = s < 0 ? pictures.findLastIndex((p) => p.at <= from.at + s) : pictures.findIndex((p) => p.at >= from.at + s);
    lookAt(found >= 0 ? found : s < 0 ? 0 : pictures.length - 1);
  },
  end: (newest) => lookAt(newest ? history().pictures.length - 1 : 0),
};

const link = new Link(receive, refresh);
operate(canvas, page);
for (const id of ["pause", "reset", "inject", "snapshot", "jsonl", "csv"]) $(id).onclick = () => page.act[id]();
for (const id of ["target", "seed"]) $(id).onclick = () => page.act.mode(id);
$("clear").onclick = () => page.act.target(null);
$("scrub").oninput = () => lookAt(Number($("scrub").value));
new ResizeObserver(redraw).observe($("picture"));
setInterval(refresh, 200);

// Live

function receive({ head, lines, jpeg }) {
  heardAt = seconds();
  if (head.kind === "hello") keepOut = head.keep_out_mm;
  else if (head.kind === "status") status = head;
  else if (head.kind === "refused") message(head.why);
  else {
    const told = live.addLines(lines, heardAt).flatMap((r) => r.record.events).at(-1);
    if (told) message(told);
    if (head.picture) {
      live.addPicture(head.picture, jpeg, heardAt, link.count);
      soon();
    }
    if (!looked && (heardAt - saidAt >= WORDS_S || now().word !== $("word").textContent)) words();
  }
}

function history() {
  return looked ?? live;
}

// The picture that belongs on the canvas now.
function wanted() {
  const pictures = history().pictures;
  return pictures[looked ? Math.min(position, pictures.length - 1) : pictures.length - 1] ?? null;
}

async function decode(picture) {
  decoding = true;
  try {
    shown = { bitmap: await createImageBitmap(picture.blob), picture };
    redraw();
  } finally {
    decoding = false;
  }
}

let acknowledged = null; // the last picture that the server was told of

function redraw() {
  dirty = true;
  soon();
}

// Frames are asked for one at a time and only where there is something to do: each costs the machine of the engine.
function soon() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(draw);
}

function draw() {
  asked = false;
  const picture = wanted();
  // While paused nothing of live is drawn, but it is taken: the server goes on sending.
  const newest = live.pictures.at(-1);
  if (looked && newest) acknowledge(newest);
  if (picture && !decoding && picture !== shown?.picture) decode(picture);
  if (!dirty || !shown) return;
  dirty = false;
  paint();
  if (!looked && acknowledge(shown.picture)) {
    drawnAt.push(seconds());
    while (drawnAt[0] < drawnAt.at(-1) - 2) drawnAt.shift();
  }
}

// Returns whether the picture is a new one. Those of a connection before this one concern nobody.
function acknowledge(picture) {
  const [connection, number] = acknowledged ? [acknowledged.connection, acknowledged.head.number] : [0, 0];
  if (picture.connection < connection || (picture.connection === connection && picture.head.number <= number)) return false;
  acknowledged = picture;
  if (picture.connection === link.count) link.send("shown", { number: picture.head.number });
  return true;
}

function sceneOf(picture, bitmap) {
  const current = isShown();
  const record = current && drawable(picture.record) ? picture.record : null;
  const outlines = record ? history().outlines(picture) : [];
  const avoid = { ...keepOut, ...picture.head.keep_out_mm };
  return { bitmap, head: picture.head, record, outlines, keepOut: avoid, draft: page.draft, dim: !current };
}

function paint() {
  const box = canvas.getBoundingClientRect(), ratio = devicePixelRatio || 1;
  const w = Math.max(1, Math.round(box.width * ratio)), h = Math.max(1, Math.round(box.height * ratio));
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  const place = shown.picture.head.place;
  at = fit(place, w, h);
  $("picture").style.setProperty("--aspect", (at.wide / at.high).toFixed(3));
  canvas.dataset.index = shown.picture.head.index;
  context.fillStyle = "#000";
  context.fillRect(0, 0, w, h);
  const scene = sceneOf(shown.picture, shown.bitmap);
  drawScene(context, scene, at, ratio * Math.max(0.8, Math.min(1.3, box.width / 800)));
  // Every bitmap is painted before the next one is decoded: none is left open.
  if (painted && painted.scene.bitmap !== scene.bitmap) painted.scene.bitmap.close();
  painted = { scene, of: shown.picture.record, is: scene.record ? ofState(scene.record) : now() };
}

// Words and numbers

function now() {
  const newest = live.pictures.at(-1);
  return situation({
    open: link.open,
    status,
    record: live.last?.record ?? null,
    silentS: seconds() - heardAt,
    pictureAgeS: newest ? seconds() - newest.at + newest.head.age_ms / 1000 : 0,
  });
}

// The state is always that of now; the measures are those of the picture that is looked at.
function words() {
  const is = now(), record = looked ? wanted()?.record : live.last?.record;
  saidAt = seconds();
  if ($("word").textContent !== is.word) {
    set("word", is.word);
    $("word").style.setProperty("--n", is.word.length);
    document.title = `${is.word} – usguide live`;
  }
  set("note", is.note ?? "");
  if ($("sign").getAttribute("d") !== is.sign) $("sign").setAttribute("d", is.sign);
  $("state").dataset.key = is.key;
  const seen = isShown() && drawable(record) ? record : null;
  const target = seen?.target ?? null, tip = seen?.tip ?? null;
  set("distance", target?.distance_mm == null ? "–" : `${seen.state === "COASTING" ? "~" : ""}${target.distance_mm.toFixed(1)}`);
  set("advice", target ? advice(target) || "no needle to measure from" : seen ? "no target: click in the picture" : "");
  set("angle", seen?.shaft ? `${seen.shaft.angle_deg.toFixed(0)}°` : "–");
  const inserted = tip && Math.hypot(...[0, 1].map((k) => tip.position_mm[k] - seen.shaft.entry_mm[k]));
  set("inserted", tip ? `${inserted.toFixed(1)} mm` : "–");
  set("speed", tip?.velocity_mm_s == null ? "–" : `${Math.round(tip.velocity_mm_s) || 0} mm/s`);
  set("uncertainty", tip ? `${(1.96 * Math.max(...tip.sigma_mm)).toFixed(1)} mm` : "–");
  spread(seen?.injectate ?? null);
}

function spread(fluid) {
  const give = (value, digits, unit) => (value == null ? "–" : `${value.toFixed(digits)} ${unit}`);
  set("area", fluid ? `${fluid.area_mm2.toFixed(1)}${fluid.area_sigma_mm2 == null ? "" : ` ± ${fluid.area_sigma_mm2.toFixed(1)}`} mm²` : "–");
  set("extent", fluid?.extent_mm ? `${fluid.extent_mm.map((v) => v.toFixed(1)).join(" × ")} mm` : "–");
  set("growth", give(fluid?.rate_mm2_s, 1, "mm²/s"));
  set("ring", give(fluid?.around_target?.ring_deg, 0, "°"));
  set("gap", give(fluid?.around_target?.distance_mm, 1, "mm"));
  const said = fluid?.warnings.join("\n") ?? "";
  set("warnings", said), ($("warnings").hidden = !said);
}

// Whether a result may be on the page: while paused any, else none that is not of now.
function isShown() {
  return Boolean(looked || now().key !== "bad" || now().word === "FROZEN");
}

function refresh() {
  if (link.open !== wasOpen) {
    wasOpen = link.open;
    if (link.open) heardAt = seconds();
  }
  words();
  redraw();
  const time = seconds(), newest = live.pictures.at(-1);
  while (drawnAt.length && drawnAt[0] < time - 2) drawnAt.shift();
  set("fps", `${(drawnAt.length / 2).toFixed(0)}/s`);
  set("age", newest ? `${(1000 * (time - newest.at) + newest.head.age_ms).toFixed(0)} ms` : "–");
  if (status) {
    set("latency", status.latency_ms ? `${status.latency_ms[0].toFixed(0)}, p95 ${status.latency_ms[1].toFixed(0)} ms` : "–");
    set("rate", `${status.rate_out_hz.toFixed(0)} of ${status.rate_in_hz.toFixed(0)}/s`);
    set("dropped", String(status.dropped)), set("late", String(status.late));
    if (status.dead_sinks.length) message(`does not take results any more: ${status.dead_sinks.join(", ")}`);
  }
  const pictures = history().pictures;
  if (!looked) {
    const last = Math.max(0, pictures.length - 1);
    Object.assign($("scrub"), { max: last, value: last });
  }
  drawCurve($("curve"), history().results, looked ? wanted()?.at ?? time : time);
  const hint = page.mode === "seed" ? (page.draft?.entry ? "now the tip" : "entry of the needle: click, or drag to the tip") : page.draft?.keyed ? "arrows, then Enter" : "";
  set("hint", hint), ($("hint").hidden = !hint);
}

function set(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

let messageUntil = 0;

function message(text) {
  set("message", text);
  messageUntil = seconds() + 6;
  setTimeout(() => seconds() >= messageUntil && set("message", ""), 6100);
}

function say(sent) {
  if (!sent) message("no connection: nothing was done");
  redraw();
}

function rounded(v) {
  return Math.round(1000 * v) / 1000;
}

// Paused

function pause() {
  if (!live.pictures.length) return;
  looked = live.copy();
  $("scrub").max = looked.pictures.length - 1;
  lookAt(looked.pictures.length - 1);
  $("pause").setAttribute("aria-pressed", "true");
}

function goOn() {
  looked = null;
  $("paused").hidden = true;
  $("measures").classList.remove("then");
  set("moment", "live"), set("when", "to target");
  $("scrub").setAttribute("aria-valuetext", "live");
  $("pause").setAttribute("aria-pressed", "false");
  refresh();
}

function lookAt(index) {
  if (!looked) {
    pause();
    if (!looked) return;
  }
  position = Math.max(0, Math.min(looked.pictures.length - 1, index));
  $("scrub").value = position;
  const ago = looked.pictures[position].at - looked.pictures.at(-1).at;
  const text = `${ago ? "−" : ""}${Math.abs(ago).toFixed(1)} s`;
  $("scrub").setAttribute("aria-valuetext", `frame ${looked.pictures[position].head.index}, ${text}`);
  const record = looked.pictures[position].record, state = record ? ofState(record) : null;
  const then = state ? ` · ${state.word}${record.confidence === null ? "" : ` ${percent(record.confidence)}`}` : "";
  set("moment", text), set("paused", `PAUSED ${text}${then}`), ($("paused").hidden = false);
  set("when", `at ${text}`), $("measures").classList.add("then");
  refresh();
}

// Files

function fileStem() {
  const last = history().results.at(-1);
  return `usguide-${String(last ? last.record.index : 0).padStart(6, "0")}`;
}

// Of what is on the screen, also where what is true has changed since it was painted.
function snapshot() {
  if (!painted) return;
  const { scene, of, is } = painted, { head, record } = scene, place = head.place;
  const w = Math.max(960, place.width), foot = 64;
  const h = Math.round((w * place.height * place.axial_mm_per_px) / (place.width * place.lateral_mm_per_px));
  const sheet = Object.assign(document.createElement("canvas"), { width: w, height: h + foot }), c = sheet.getContext("2d");
  c.fillStyle = "#000";
  c.fillRect(0, 0, w, h + foot);
  drawScene(c, { ...scene, draft: null }, fit(place, w, h), Math.max(1, w / 960));
  c.fillStyle = "#f2f5f7";
  c.textBaseline = "middle";
  c.textAlign = "left";
  c.font = "600 22px system-ui, 'DejaVu Sans', sans-serif";
  const to = record?.target?.distance_mm == null ? "" : `   ${record.target.distance_mm.toFixed(1)} mm to target`;
  c.fillText(`${is.word}   ${is.note ?? ""}${to}`, 12, h + 20, w - 24);
  c.font = "15px system-ui, 'DejaVu Sans', sans-serif";
  const when = of ? `frame ${of.index}, ${of.timestamp_s.toFixed(2)} s.  ` : "";
  c.fillText(`${when}Research use only: not a medical device`, 12, h + 46, w - 24);
  sheet.toBlob((blob) => save(blob, `usguide-${String(head.index).padStart(6, "0")}.png`), "image/png");
}
