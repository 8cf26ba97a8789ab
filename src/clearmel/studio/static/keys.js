// Keyboard shortcuts and their help dialog.

import { t } from "./words.js";

const element = (id) => document.getElementById(id);

/** page: the object that the keys act on; see page.js. */
export function keys(page) {
  const { view } = page;
  const move = (by) => (event) => page.seek(page.player.position + by * (event.altKey ? view.span / 10 : Math.max(0.01, view.span / 100)));
  return [
    ["Space", "k_play", { " ": () => page.toggle() }],
    ["A B D", "k_ears", { a: () => page.hear(0), b: () => page.hear(1), d: () => page.hear(2) }],
    ["X", "k_swap", { x: () => page.swap() }],
    ["← →", "k_move", { ArrowLeft: move(-1), ArrowRight: move(1) }],
    ["Alt ← →", "k_move_far", {}],
    ["L", "k_loop", { l: () => page.loop(...(view.loop ? [] : [page.position, page.position + 3])) }],
    ["Esc", "k_unloop", { Escape: () => page.loop() }],
    ["Home End", "k_ends", { Home: () => page.seek(0), End: () => page.seek(view.duration) }],
    ["+ − ↑ ↓", "k_zoom", { "+": () => page.zoom(0.5), "=": () => page.zoom(0.5), ArrowUp: () => page.zoom(0.5), "-": () => page.zoom(2), ArrowDown: () => page.zoom(2) }],
    ["0", "k_all", { 0: () => view.show(0, view.duration) }],
    ["1 … 4", "k_modes", Object.fromEntries(["denoise", "cut", "separate", "classify"].map((mode, k) => [k + 1, () => page.mode(mode, true)]))],
    ["[ ]", "k_strength", { "[": () => page.nudge(-0.05), "]": () => page.nudge(0.05) }],
    ["S", "k_save", { s: () => page.save() }],
    ["N P", "k_files", { n: () => page.beside(1), p: () => page.beside(-1) }],
    ["Q", "k_pause", { q: () => page.pauseQueue() }],
    ["O", "k_open", { o: () => element("chosen").click() }],
    ["/", "k_path", { "/": () => element("path").focus() }],
    ["C", "k_copy", { c: () => page.copy() }],
    ["?", "k_help", { "?": () => element("keys-dialog").showModal() }],
  ];
}

const PLACES = { BracketLeft: "[", BracketRight: "]", Slash: "/" };

/** What a key means on an English keyboard. */
const latin = (code) => (code.startsWith("Key") ? code.slice(3).toLowerCase() : PLACES[code]);

export function listen(page) {
  const actions = Object.assign({}, ...keys(page).map(([, , found]) => found));
  document.addEventListener("keydown", (event) => {
    const { target } = event;
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || element("keys-dialog").open) return;
    if (target.closest("input:not([type=checkbox]), select") && !(target.type === "range" && !event.key.startsWith("Arrow") && !["Home", "End"].includes(event.key))) return;
    const typed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const key = typed.length === 1 && typed > "~" ? latin(event.code) : typed; // a Russian layout, say
    if (!actions[key] || (event.altKey && !key.startsWith("Arrow"))) return;
    if ((key === " " || key === "Enter") && target.closest("button, a, input")) return; // the keys press it
    if (key.startsWith("Arrow") && target.closest("[role=tablist], [role=radiogroup]")) return; // these move within
    event.preventDefault();
    if (event.repeat && !key.startsWith("Arrow") && !"+-=[]".includes(key)) return;
    actions[key](event);
  });
}

/** Fills the help dialog in the language of the page. */
export function showHelp(page) {
  const rows = keys(page).map(([key, words]) => {
    const row = document.createElement("div");
    row.append(Object.assign(document.createElement("span"), { textContent: t(words) }), Object.assign(document.createElement("kbd"), { textContent: key }));
    return row;
  });
  element("keys-dialog").querySelector(".columns").replaceChildren(...rows);
}

/** Arrow keys move within a group of buttons of which one is chosen; only that one is in the tab order. */
export function rove(group, choose) {
  group.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const buttons = [...group.querySelectorAll("button")],
      here = buttons.indexOf(document.activeElement);
    if (!by || here < 0) return;
    event.preventDefault();
    const next = buttons[(here + by + buttons.length) % buttons.length];
    choose(next);
    next.focus();
  });
}
