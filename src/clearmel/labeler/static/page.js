// The page: its state, and the actions of its buttons and keys.

import * as marks from "./marks.js";
import { get } from "./calls.js";
import { Document } from "./saving.js";
import { FileList } from "./files.js";
import { Player } from "./player.js";
import { Tiles } from "./tiles.js";
import { clock, counted } from "./paint.js";
import { View } from "./view.js";
import { listen as listenToKeys } from "./keys.js";
import { listen as listenToPointer } from "./pointer.js";

const element = (id) => document.getElementById(id);
const state = { document: null, tiles: null, selection: null, drag: null, position: 0 };
const documents = new Map(); // by name: unsaved labels and the undo history
const view = new View(state);
const player = new Player(element("audio"), moved, trouble);
const list = new FileList((name) => page.open(name));

const say = (text) => {
  element("said").textContent = text;
};
function trouble(text) {
  element("trouble").textContent = text;
  element("trouble").hidden = !text;
}

function moved() {
  if (!state.document) return;
  state.position = player.position;
  if (player.playing) view.follow(state.position, true);
  const text = clock(state.position),
    line = element("timeline");
  element("clock").textContent = text;
  element("play").textContent = player.playing ? "Pause" : "Play";
  element("preview").setAttribute("aria-pressed", String(player.playing && player.preview !== null));
  if (!player.playing) {
    // updates during playback would flood a screen reader
    line.setAttribute("aria-valuenow", state.position.toFixed(2));
    line.setAttribute(
      "aria-valuetext",
      `${text}, ${marks.at(state.document.spans, state.position) ? "removed" : "kept"}`,
    );
  }
  view.draw();
}

function changed() {
  const { document: now } = state;
  if (!now) return;
  const unsaved = [...documents.values()].filter((other) => other.dirty && other !== now);
  const failing = [now, ...unsaved].find((other) => other.failure || other.theirs);
  const [text, kind] = failing?.theirs
    ? [`Not saved: ${failing.file.name} was changed elsewhere`, "bad"]
    : failing
      ? [`Not saved, retrying: ${failing.failure}`, "bad"]
      : now.saving || now.dirty || unsaved.length
        ? ["Saving…", "busy"]
        : now.labelled
          ? ["Saved", "saved"]
          : ["Not labelled yet", "none"];
  if (element("saved").textContent !== text) element("saved").textContent = text;
  element("saved").dataset.state = kind;
  element("conflict").hidden = !now.theirs;
  if (now.theirs) {
    element("conflict-text").textContent =
      `Not saved: ${now.theirs.error} The strip shows your labels above and the stored labels below ` +
      `(${counted(now.theirs.remove)}, ${clock(marks.total(now.theirs.remove))} removed).`;
  }
  element("strip").classList.toggle("two", Boolean(now.theirs));
  element("suggested").hidden = !now.suggested;
  element("undo").disabled = !now.history.undoable;
  element("redo").disabled = !now.history.redoable;
  element("region").disabled = element("remove").disabled = !state.selection;
  element("keep").disabled = !state.selection && !marks.at(now.spans, state.position);
  element("summary").textContent =
    view.summary() + (state.selection ? ` · selected ${state.selection.map((t) => clock(t)).join(" – ")}` : "");
  list.mark(now.file.name, now.labelled);
  view.draw();
}

const page = {
  state,
  view,
  player,
  list,
  async open(name) {
    if (!name || state.document?.file.name === name) return;
    const ticket = (page.ticket = (page.ticket ?? 0) + 1);
    state.document?.save();
    player.pause();
    try {
      let found = documents.get(name);
      if (found) await found.refresh().catch(() => {});
      else found = await Document.open(name, changed);
      if (ticket !== page.ticket) return;
      documents.set(name, found);
      state.tiles?.close();
      Object.assign(state, { document: found, selection: null, drag: null, position: 0 });
      state.tiles = new Tiles({ name }, () => {
        trouble(state.tiles?.failure ?? "");
        view.draw();
      });
      trouble("");
      player.open(found.file);
    } catch (error) {
      if (ticket === page.ticket) trouble(`${name} cannot be opened: ${error.message}`);
      return;
    }
    const { file } = state.document;
    element("name").textContent = file.name;
    const channels = ["", "mono", "stereo"][file.n_channels] ?? `${file.n_channels} channels`;
    element("about").textContent = `${clock(file.duration_s)} · ${file.sample_rate / 1000} kHz · ${channels}`;
    element("timeline").setAttribute("aria-valuemax", file.duration_s.toFixed(2));
    element("timeline").setAttribute("aria-label", `playhead in ${file.name}`);
    history.replaceState(null, "", `#${encodeURIComponent(name)}`);
    list.select(name);
    view.show(0, Math.min(file.duration_s, 60));
    moved();
    changed();
  },
  go(by) {
    page.open(list.beside(state.document?.file.name, by));
  },
  unlabelled() {
    const name = list.unlabelled(state.document?.file.name);
    if (name) page.open(name);
    else say("All files are labelled");
  },
  apply(spans, words, a, b) {
    if (!state.document.set(spans)) return;
    if (player.preview && player.playing) player.pause();
    say(`${words} ${clock(Math.min(a, b))}${a === b ? "" : ` to ${clock(Math.max(a, b))}`}`);
    moved();
    changed();
  },
  mark(kind, a, b) {
    state.selection = null;
    page.apply(marks[kind](state.document.spans, a, b, view.duration), kind === "keep" ? "Kept" : "Removed", a, b);
    changed();
  },
  /** K and R act on the selection; without one, K acts on the cut at the playhead. */
  markSelection(kind) {
    const range = state.selection ?? (kind === "keep" ? marks.at(state.document.spans, state.position) : null);
    if (range) page.mark(kind, ...range);
    else say("Select a section first: with Shift and the arrow keys, I and O, or Shift and drag");
  },
  select(a, b) {
    state.selection =
      a === b ? null : [Math.min(a, b), Math.max(a, b)].map((t) => Math.min(view.duration, Math.max(0, t)));
    if (state.selection) say(`Selected ${clock(state.selection[0])} to ${clock(state.selection[1])}`);
    changed();
  },
  step(by) {
    if (!state.document.step(by)) return;
    if (player.preview && player.playing) player.pause();
    say(by < 0 ? "Undone" : "Redone");
    moved();
  },
  playFrom(time, until) {
    return player.play(time, until);
  },
  toggle() {
    if (player.playing) player.pause();
    else page.playFrom(state.position);
  },
  playSelection() {
    if (state.selection) page.playFrom(...state.selection);
    else say("Nothing is selected");
  },
  preview() {
    if (player.playing && player.preview) player.pause();
    else player.playResult(state.position, state.document.spans);
  },
  speed(value) {
    element("speed").value = String(value);
    player.rate(Number(value));
    say(`Speed ${value}`);
  },
  /** Moves the playhead; `extend` also extends the selection. */
  seek(time, extend = false) {
    const from = state.position,
      to = Math.min(view.duration, Math.max(0, time));
    if (extend) {
      const [a, b] = state.selection ?? [from, from];
      page.select(Math.abs(from - b) <= Math.abs(from - a) ? a : b, to);
    }
    player.seek(to);
    view.follow(to, false);
    if (!extend) changed();
  },
  setEdge(side) {
    const range = state.selection ?? [side ? 0 : state.position, side ? state.position : view.duration];
    const other = side ? Math.min(range[0], state.position) : Math.max(range[1], state.position);
    page.select(other, state.position);
  },
  /** Selects the previous or next cut. */
  cut(by) {
    const { spans } = state.document,
      here = state.selection?.[0] ?? state.position;
    const found = by > 0 ? spans.find(([a]) => a > here + 1e-6) : spans.findLast(([a]) => a < here - 1e-6);
    if (!found) return say("No more cuts");
    player.seek(found[0]);
    view.follow(found[0], false);
    view.follow(found[1], false);
    return page.select(...found);
  },
  accept() {
    if (state.document.labelled && !state.document.suggested) return;
    state.document.touch();
    state.document.save();
  },
  zoom(factor) {
    const time = state.position;
    view.zoom(factor, time >= view.from && time <= view.to ? time : view.from + view.span / 2);
  },
  fit() {
    view.show(0, view.duration);
  },
  escape() {
    page.select(0, 0);
  },
};

for (const [id, action] of Object.entries({
  play: page.toggle,
  region: page.playSelection,
  preview: page.preview,
  undo: () => page.step(-1),
  redo: () => page.step(1),
  remove: () => page.markSelection("remove"),
  keep: () => page.markSelection("keep"),
  in: () => page.zoom(0.5),
  out: () => page.zoom(2),
  fit: page.fit,
  previous: () => page.go(-1),
  next: () => page.go(1),
  accept: page.accept,
  help: () => element("keys").showModal(),
  take: () => {
    state.document.takeTheirs();
    moved();
    changed();
  },
  overwrite: () => state.document.overwrite(),
}))
  element(id).addEventListener("click", action);
// A mouse click returns the focus to the time line, so that Space plays. Keyboard users keep their focus.
for (const part of ["nav", ".tools", ".title", ".banner"]) {
  for (const one of document.querySelectorAll(part)) {
    one.addEventListener("click", (event) => {
      if (event.detail && event.target.closest("button")) element("timeline").focus({ preventScroll: true });
    });
  }
}
element("speed").addEventListener("change", (event) => page.speed(event.target.value));
listenToKeys(page);
listenToPointer(page, view);

addEventListener("beforeunload", (event) => {
  if ([...documents.values()].some((one) => one.dirty)) event.preventDefault();
});
addEventListener("pagehide", () => {
  for (const one of documents.values()) one.save({ keepalive: true });
});
document.addEventListener("visibilitychange", () => {
  // another tab may have saved
  if (!document.hidden) state.document?.refresh().then(moved, () => {});
});

/** Loads the file list, repeatedly while the model still processes files. */
async function load() {
  const answer = await get("/api/files");
  list.show(answer.files);
  if (answer.failure) trouble(`The model could not process a file: ${answer.failure}`);
  const now = state.document;
  if (
    now &&
    !now.labelled &&
    !now.suggested &&
    answer.files.some((file) => file.name === now.file.name && file.doubt !== null)
  ) {
    now.refresh().then(moved, () => {});
  }
  if (answer.guessing) setTimeout(() => load().catch(() => {}), 2000);
  return answer;
}
try {
  const { files } = await load(),
    wanted = decodeURIComponent(location.hash.slice(1));
  await page.open(
    files.find((file) => file.name === wanted)?.name ?? (files.find((file) => !file.labelled) ?? files[0]).name,
  );
} catch (error) {
  trouble(`The files cannot be listed: ${error.message}`);
}
document.documentElement.dataset.ready = "true";
