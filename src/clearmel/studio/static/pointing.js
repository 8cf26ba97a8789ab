// Mouse, pen and touch on the time line: click or drag to play from there, wheel to scroll and zoom.

const element = (id) => document.getElementById(id);

/** page: see page.js. */
export function listen(page) {
  const line = element("timeline"),
    { view, state } = page;
  const overview = (event) => event.target.dataset.kind === "overview";
  let drag = null;

  line.addEventListener("pointerdown", (event) => {
    if (event.button || !state.file) return;
    event.preventDefault();
    line.focus({ preventScroll: true });
    line.setPointerCapture(event.pointerId);
    drag = overview(event) ? "overview" : "head";
    if (drag === "overview") view.show(view.time(event.clientX, true) - view.span / 2);
    else page.playFrom(view.time(event.clientX));
  });
  line.addEventListener("pointermove", (event) => {
    if (drag === "overview") view.show(view.time(event.clientX, true) - view.span / 2);
  });
  for (const kind of ["pointerup", "pointercancel"]) line.addEventListener(kind, () => (drag = null));
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
