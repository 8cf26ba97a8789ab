// Keyboard shortcuts and their help dialog.

const SPEEDS = [1, 1.25, 1.5, 1.75, 2];

/** page: the object that the keys act on; see page.js. */
export function listen(page) {
  const element = (id) => document.getElementById(id),
    { state, player } = page;
  const small = () => Math.max(0.01, page.view.span / 100),
    large = () => page.view.span / 10;
  const move = (by) => (event) =>
    page.seek(state.position + by * (event.altKey || event.ctrlKey ? large() : small()), event.shiftKey);
  const keys = [
    ["Playback"],
    ["Space", "play, pause", { " ": () => page.toggle() }],
    ["A", "play the selection", { a: () => page.playSelection() }],
    ["V", "preview the result", { v: () => page.preview() }],
    ["1 … 5", "speed 1× to 2×", Object.fromEntries(SPEEDS.map((speed, k) => [String(k + 1), () => page.speed(speed)]))],
    ["Navigation"],
    ["← →", "move the playhead by 1/100 of the view", { ArrowLeft: move(-1), ArrowRight: move(1) }],
    ["Alt ← →", "move by 1/10 of the view", {}],
    [
      "Home End",
      "move to the start, the end",
      { Home: (e) => page.seek(0, e.shiftKey), End: (e) => page.seek(page.view.duration, e.shiftKey) },
    ],
    [", .", "select the previous, next cut", { ",": () => page.cut(-1), ".": () => page.cut(1) }],
    [
      "+ −",
      "zoom in, out",
      { "+": () => page.zoom(0.5), "=": () => page.zoom(0.5), "-": () => page.zoom(2), _: () => page.zoom(2) },
    ],
    ["↑ ↓", "zoom in, out", { ArrowUp: () => page.zoom(0.5), ArrowDown: () => page.zoom(2) }],
    ["0", "show all", { 0: () => page.fit() }],
    ["Editing"],
    ["Shift ← →", "extend the selection from the playhead", {}],
    ["I O", "set the start, the end of the selection", { i: () => page.setEdge(0), o: () => page.setEdge(1) }],
    ["R", "remove the selection", { r: () => page.markSelection("remove") }],
    ["K", "keep the selection, or the cut at the playhead", { k: () => page.markSelection("keep") }],
    ["Z, Shift Z", "undo, redo", { z: (event) => page.step(event.shiftKey ? 1 : -1) }],
    ["Esc", "clear the selection", { Escape: () => page.escape() }],
    ["Enter", "save as labelled, even without cuts", { Enter: () => page.accept() }],
    ["Files"],
    ["N P", "next, previous file", { n: () => page.go(1), p: () => page.go(-1) }],
    ["U", "next unlabelled file", { u: () => page.unlabelled() }],
    ["/", "find a file", { "/": () => element("filter").focus() }],
    ["?", "this help", { "?": () => element("keys").showModal() }],
  ];
  const actions = Object.assign({}, ...keys.map(([, , found]) => found));
  for (const [key, words] of keys) {
    const row = document.createElement("div");
    if (words)
      row.append(
        Object.assign(document.createElement("span"), { textContent: words }),
        Object.assign(document.createElement("kbd"), { textContent: key }),
      );
    else row.append(Object.assign(document.createElement("b"), { textContent: key }));
    element("keys").querySelector(".columns").append(row);
  }
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || element("keys").open || event.target.closest("input, select"))
      return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const undo = (event.ctrlKey || event.metaKey) && key === "z";
    if (
      !actions[key] ||
      !state.document ||
      ((event.ctrlKey || event.metaKey || event.altKey) && !undo && !key.startsWith("Arrow"))
    )
      return;
    if ((key === "Enter" || key === " ") && event.target.closest("button")) return; // the keys press the button
    event.preventDefault();
    if (event.repeat && !/^Arrow|^[+=_-]$/.test(key)) return;
    actions[key](event);
    if (key !== " ") player.moved();
  });
}
