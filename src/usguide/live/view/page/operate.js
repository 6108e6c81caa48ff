// Mouse, touch and keys: each does one of the page's actions.

const DRAG_PX = 8;
const STEP_MM = 0.5, LEAP_MM = 5;

// page: { at() (where the picture lies, or null), cssToCanvas(), mode, draft, redraw(), act: {...}, step(n), leap(s), end(newest) }
export function operate(canvas, page) {
  let pressed = null;
  const inside = ([x, z]) => {
    const at = page.at();
    return x >= at.x0 && x <= at.x0 + at.wide && z >= at.z0 && z <= at.z0 + at.high;
  };
  const pointed = (event) => {
    const box = canvas.getBoundingClientRect();
    const k = canvas.width / box.width;
    return page.at().toMm([(event.clientX - box.left) * k, (event.clientY - box.top) * k]);
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (!page.at() || event.button !== 0 || !inside(pointed(event))) return;
    canvas.setPointerCapture(event.pointerId);
    pressed = { x: event.clientX, y: event.clientY, mm: pointed(event) };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!page.at() || page.mode !== "seed") return;
    const entry = page.draft?.entry ?? (pressed && moved(pressed, event) ? pressed.mm : null);
    if (!entry) return;
    page.draft = { ...page.draft, entry, cross: pointed(event) };
    page.redraw();
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!pressed || !page.at()) return;
    const start = pressed, here = pointed(event);
    pressed = null;
    if (page.mode === "target") {
      page.act.target(start.mm);
    } else if (moved(start, event)) {
      page.act.seed(page.draft?.keyed || !page.draft?.entry ? start.mm : page.draft.entry, here);
    } else {
      chooseSeedPoint(start.mm);
    }
  });
  canvas.addEventListener("pointercancel", () => (pressed = null));

  function chooseSeedPoint(mm) {
    const entry = page.draft?.entry;
    if (entry) page.act.seed(entry, mm);
    else page.draft = { ...page.draft, entry: mm };
    page.redraw();
  }

  function placeCross() {
    const cross = page.draft?.cross;
    if (!cross) return;
    if (page.mode === "seed") chooseSeedPoint(cross);
    else page.act.target(cross);
  }

  function beginCross(mode) {
    page.act.mode(mode);
    const at = page.at();
    if (at) page.draft = { keyed: true, cross: [at.x0 + at.wide / 2, at.z0 + at.high / 2] };
    canvas.focus();
    page.redraw();
  }

  function moveCross(dx, dz, leap) {
    const at = page.at(), mm = leap ? LEAP_MM : STEP_MM, [x, z] = page.draft.cross;
    const within = (v, low, size) => Math.min(low + size, Math.max(low, v));
    page.draft.cross = [within(x + dx * mm, at.x0, at.wide), within(z + dz * mm, at.z0, at.high)];
    page.redraw();
  }

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const KEYS = {
    t: () => beginCross("target"),
    n: () => beginCross("seed"),
    c: () => page.act.target(null),
    r: () => page.act.reset(),
    i: () => page.act.inject(),
    s: () => page.act.snapshot(),
    e: (event) => (event.shiftKey ? page.act.csv() : page.act.jsonl()),
    "?": () => page.act.keys(),
    Home: () => page.end(false),
    End: () => page.end(true),
    Escape: () => page.act.cancel(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const onButton = event.target.closest?.("button, summary");
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if ((key === " " || key === "Enter") && onButton) return; // the button's own
    if (key === " ") page.act.pause();
    else if (key === "Enter") placeCross();
    else if (ARROWS[key] && page.draft?.keyed && page.at()) moveCross(...ARROWS[key], event.shiftKey);
    else if (key === "ArrowLeft" || key === "ArrowRight") {
      const sign = key === "ArrowLeft" ? -1 : 1;
      if (event.shiftKey) page.leap(sign);
      else page.step(sign);
    } else if (KEYS[key]) KEYS[key](event);
    else return;
    event.preventDefault();
  });
}

function moved(start, event) {
  return Math.hypot(event.clientX - start.x, event.clientY - start.y) > DRAG_PX;
}
