// Mouse, pen and touch on the time line: click to play from there, drag to repeat a section, wheel to scroll and zoom.

const DRAG_PX = 4;
const element = (id) => document.getElementById(id);

/** page: see page.js. */
export function listen(page) {
  const line = element("timeline"),
    { view, state } = page;
  const overview = (event) => event.target.dataset.kind === "overview";
  let drag = null, // "overview", or where it began: { time, x }
    section = null;

  line.addEventListener("pointerdown", (event) => {
    if (event.button || !state.file) return;
    event.preventDefault();
    line.focus({ preventScroll: true });
    line.setPointerCapture(event.pointerId);
    section = null;
    drag = overview(event) ? "overview" : { time: view.time(event.clientX), x: event.clientX };
    if (drag === "overview") view.show(view.time(event.clientX, true) - view.span / 2);
  });
  line.addEventListener("pointermove", (event) => {
    if (drag === "overview") view.show(view.time(event.clientX, true) - view.span / 2);
    else if (drag && (section || Math.abs(event.clientX - drag.x) >= DRAG_PX)) {
      section = view.loop = [drag.time, view.time(event.clientX)].sort((a, b) => a - b);
      view.place(page.position);
    }
  });
  line.addEventListener("pointerup", () => {
    if (section) page.loop(...section);
    else if (drag && drag !== "overview") {
      page.loop();
      page.playFrom(drag.time);
    }
    drag = null;
  });
  line.addEventListener("pointercancel", () => (drag = null));
  line.addEventListener(
    "wheel",
    (event) => {
      if (!state.file) return;
      event.preventDefault();
      const turned = event.deltaY + event.deltaX;
      if (event.ctrlKey || event.metaKey) view.zoom(Math.exp(Math.max(-1, Math.min(1, turned / 200))), view.time(event.clientX, overview(event)));
      else view.show(view.from + Math.max(-1, Math.min(1, turned / 600)) * view.span);
    },
    { passive: false },
  );
}
