// What is true now, in one word, a symbol and a note. The most serious comes first.

// Drawn on 24 x 24: no font has all of them.
const SIGNS = {
  cross: "M5 5L19 19M19 5L5 19",
  diamond: "M12 3L21 12L12 21L3 12Z",
  circle: "M12 3a9 9 0 1 0 .01 0Z",
  barred: "M12 3a9 9 0 1 0 .01 0ZM6 18L18 6",
  stop: "M5 5H19V19H5Z",
  snow: "M12 2V22M3.3 7L20.7 17M20.7 7L3.3 17",
  clock: "M12 3a9 9 0 1 0 .01 0ZM12 7V12L16 14",
  broken: "M3 12H9M15 12H21M12 4V8M12 16V20M8 8L16 16",
  question: "M8 8.5a4 4 0 1 1 5.5 3.7c-1 .5-1.5 1-1.5 2.8M12 19.5v.1",
  dots: "M5 12v.1M12 12v.1M19 12v.1",
};

const STATES = {
  TRACKING: { key: "tracking", sign: SIGNS.cross },
  COASTING: { key: "coasting", sign: SIGNS.diamond, note: "predicted, not seen" },
  SEARCHING: { key: "searching", sign: SIGNS.circle, note: "no needle seen" },
  LOST: { key: "lost", sign: SIGNS.barred, note: "needle lost" },
};

// record: of the newest result; status: of the engine; ages in s.
export function situation({ open, status, record, silentS, pictureAgeS }) {
  const bad = (word, sign, note) => ({ key: "bad", word, sign, note });
  if (!open) return bad("OFFLINE", SIGNS.broken, "no connection to usguide: what is shown is old");
  if (silentS > 2) return bad("NO ANSWER", SIGNS.broken, `from usguide for ${silentS.toFixed(0)} s`);
  if (status && status.error) return bad("STOPPED", SIGNS.stop, status.error);
  if (status && !status.running && status.received) return bad("ENDED", SIGNS.stop, "the source is at its end");
  if (status && status.lost_because) return bad("NO SOURCE", SIGNS.broken, status.lost_because);
  if (!record) return { key: "searching", word: "WAITING", sign: SIGNS.dots, note: "for the first frame" };
  if (record.input_state === "STALE" || (status && status.stale)) {
    const since = status && status.seconds_since_frame;
    return bad("STALE", SIGNS.stop, since ? `no frame for ${since.toFixed(1)} s` : "input stopped");
  }
  if (record.input_state === "INVALID") return bad("INVALID", SIGNS.question, record.events.at(-1) || "frame can't be used");
  if (record.input_state === "FROZEN") return bad("FROZEN", SIGNS.snow, `picture stands still; ${record.state.toLowerCase()}`);
  if (record.late) return bad("LATE", SIGNS.clock, "result too old to be shown");
  if (pictureAgeS > 1) return bad("OLD", SIGNS.clock, `picture of ${pictureAgeS.toFixed(1)} s ago: this browser is slow`);
  return ofState(record);
}

export function ofState(record) {
  const known = STATES[record.state];
  const note = record.confidence === null ? known.note : `${percent(record.confidence)} confidence`;
  return { ...known, word: record.state, note: record.state === "COASTING" ? `${percent(record.confidence)}, ${known.note}` : note };
}

// Whether a result may be drawn on its picture as what is there.
export function drawable(record) {
  return Boolean(record) && !record.late && (record.input_state === "OK" || record.input_state === "FROZEN");
}

export function percent(value) {
  return `${Math.round(100 * value)}\u00a0%`;
}

// What to do to reach the target, in words.
export function advice(target) {
  if (!target || target.along_mm === null) return "";
  const way = target.along_mm >= 0 ? `advance ${target.along_mm.toFixed(1)} mm` : `${(-target.along_mm).toFixed(1)} mm past it`;
  const miss = Math.abs(target.miss_mm);
  if (miss < 0.5) return `${way}, on line`;
  return `${way}, passes ${miss.toFixed(1)} mm ${target.miss_mm > 0 ? "above" : "below"} it`;
}
