// The last 30 seconds: every result, and the pictures that were shown.

export const KEPT_S = 30;

export class History {
  constructor() {
    this.results = []; // { at (s, this browser's clock), text, record }
    this.pictures = []; // { at, blob, head, record }
  }

  addLines(lines, at) {
    for (const text of lines) this.results.push({ at, text, record: JSON.parse(text) });
    dropOld(this.results, at);
  }

  // The record of a picture came with it or before it.
  addPicture(head, jpeg, at, connection) {
    const found = this.results.findLast((r) => r.record.index === head.index && r.record.input_state !== "STALE");
    const picture = { at, head, connection, blob: new Blob([jpeg], { type: "image/jpeg" }), record: found ? found.record : null };
    this.pictures.push(picture);
    dropOld(this.pictures, at);
    return picture;
  }

  get last() {
    return this.results.length ? this.results[this.results.length - 1] : null;
  }

  // What is looked at while live goes on.
  copy() {
    const copy = new History();
    copy.results = this.results.slice();
    copy.pictures = this.pictures.slice();
    return copy;
  }

  // Outlines of the injectate up to a picture, oldest first, not more than one every few seconds.
  outlines(until, everyS = 3) {
    const found = [];
    for (const p of this.pictures) {
      if (p.at > until.at) break;
      const due = !found.length || p.at - found[found.length - 1].at >= everyS;
      if (p.head.contours_mm.length && due) found.push({ at: p.at, contours: p.head.contours_mm });
    }
    if (until.head.contours_mm.length) found.push({ at: until.at, contours: until.head.contours_mm });
    return found;
  }
}

function dropOld(items, now) {
  let old = 0;
  while (old < items.length && items[old].at < now - KEPT_S) old++;
  if (old) items.splice(0, old);
}
