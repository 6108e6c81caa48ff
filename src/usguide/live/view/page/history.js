// The last 30 seconds: every result, and the pictures that were shown.

export const KEPT_S = 30;
const KEPT_BYTES = 128e6; // of pictures, for large ones on a small computer

export class History {
  constructor() {
    this.results = []; // { at (s, this browser's clock), text, record }
    this.pictures = []; // { at, blob, head, record, connection }
    this.bytes = 0;
  }

  addLines(lines, at) {
    const added = lines.map((text) => ({ at, text, record: JSON.parse(text) }));
    this.results.push(...added);
    dropOld(this.results, at);
    return added;
  }

  // The record of a picture came with it or before it.
  addPicture(head, jpeg, at, connection) {
    const found = this.results.findLast((r) => r.record.index === head.index && r.record.input_state !== "STALE");
    const picture = { at, head, connection, blob: new Blob([jpeg], { type: "image/jpeg" }), record: found ? found.record : null };
    this.pictures.push(picture);
    this.bytes += picture.blob.size;
    for (const old of dropOld(this.pictures, at)) this.bytes -= old.blob.size;
    while (this.bytes > KEPT_BYTES) this.bytes -= this.pictures.shift().blob.size;
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
  return items.splice(0, old);
}
