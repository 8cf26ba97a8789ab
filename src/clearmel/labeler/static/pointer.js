// Mouse, pen and touch input on the time line.

import * as marks from "./marks.js";

const DRAG_PX = 4;
const REACH_PX = 6;

/** page: the object that the gestures act on; see page.js. */
export function listen(page, view) {
  const line = document.getElementById("timeline"),
    { state } = page;
  const lane = (event) => (event.target.id === "overview" ? "overview" : "wave");
  const inside = (time) => Math.min(view.duration, Math.max(0, time));

  /** The edge of a cut at the pointer, or null. */
  function edge(event) {
    if (lane(event) === "overview" || !state.document) return null;
    const time = view.time(event.clientX);
    let best = null,
      reach = REACH_PX * view.secondsPerPixel();
    state.document.spans.forEach((span, index) =>
      span.forEach((place, side) => {
        if (Math.abs(place - time) <= reach) [best, reach] = [{ index, side }, Math.abs(place - time)];
      }),
    );
    return best;
  }
  function kind(event) {
    if (lane(event) === "overview") return "scroll";
    if (event.button === 2) return "keep";
    if (event.shiftKey) return "select";
    return edge(event) ? "edge" : "remove";
  }
  line.addEventListener("contextmenu", (event) => event.preventDefault());
  line.addEventListener("pointerdown", (event) => {
    if (![0, 2].includes(event.button) || !state.document || state.drag) return;
    event.preventDefault();
    line.focus({ preventScroll: true });
    line.setPointerCapture(event.pointerId);
    const time = inside(view.time(event.clientX, lane(event)));
    state.drag = {
      kind: kind(event),
      range: [time, time],
      x: event.clientX,
      moved: false,
      edge: edge(event),
      spans: state.document.spans,
    };
    if (state.drag.kind === "scroll") view.show(time - view.span / 2);
  });
  line.addEventListener("pointermove", (event) => {
    const { drag } = state;
    if (!drag) {
      line.style.cursor = lane(event) === "overview" ? "grab" : edge(event) ? "ew-resize" : "text";
      return;
    }
    drag.moved ||= Math.abs(event.clientX - drag.x) >= DRAG_PX;
    if (drag.kind === "scroll") view.show(inside(view.time(event.clientX, "overview")) - view.span / 2);
    else if (drag.moved) {
      drag.range[1] = inside(view.time(event.clientX));
      if (drag.kind === "edge") {
        const span = drag.spans[drag.edge.index];
        drag.range = [span[1 - drag.edge.side], drag.range[1]];
      }
      const box = view.lanes.wave.getBoundingClientRect(); // scroll when the pointer reaches the border
      if (event.clientX > box.right - 8) view.show(view.from + view.span * 0.02);
      else if (event.clientX < box.left + 8) view.show(view.from - view.span * 0.02);
      view.draw();
    }
  });
  line.addEventListener("pointerup", () => {
    const { drag } = state;
    state.drag = null;
    if (!drag || drag.kind === "scroll") return;
    const [a, b] = drag.range;
    if (!drag.moved) {
      if (drag.kind !== "keep") page.playFrom(a);
    } else if (drag.kind === "edge")
      page.apply(marks.move(drag.spans, drag.edge, b, view.duration), "Moved an edge to", b, b);
    else if (drag.kind === "select") page.select(a, b);
    else page.mark(drag.kind, a, b);
    view.draw();
  });
  line.addEventListener("pointercancel", () => {
    state.drag = null;
    view.draw();
  });
  line.addEventListener(
    "wheel",
    (event) => {
      if (!state.document) return;
      event.preventDefault();
      const turned = event.deltaY + event.deltaX;
      if (event.ctrlKey || event.metaKey)
        view.zoom(Math.exp(Math.max(-1, Math.min(1, turned / 200))), inside(view.time(event.clientX, lane(event))));
      else view.show(view.from + Math.max(-1, Math.min(1, turned / 600)) * view.span);
    },
    { passive: false },
  );
}
