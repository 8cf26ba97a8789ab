// The page: what is shown, what plays, and the actions of its buttons and keys.

import { get } from "./calls.js";
import { listen as listenToKeys, rove, showHelp } from "./keys.js";
import { showCommand, showFiles, showJobs } from "./lists.js";
import { fromResult, toResult } from "./marks.js";
import { showLevel } from "./meter.js";
import { copies, listen as listenToFiles } from "./opening.js";
import { clock } from "./paint.js";
import { Panels } from "./panels.js";
import { Player } from "./player.js";
import { listen as listenToPointer } from "./pointing.js";
import { Shared } from "./state.js";
import { earButtons, earsOf, lanesOf, picturesOf, SOUNDING, soundOf, tracksOf } from "./tracks.js";
import { View } from "./view.js";
import { language, t, translate } from "./words.js";

const element = (id) => document.getElementById(id);
const MODES = ["denoise", "cut", "separate", "classify"];
const FIND_S = 1800; // longer recordings wait for the button
const WAIT_MS = 150; // between changes of a slider and the server's answer

const state = { file: null, form: null, cuts: null, classes: null, labels: [] };
const view = new View(state, trouble);
const player = new Player(moved, trouble);
const shared = new Shared(arrived, (gone) => {
  element("gone").hidden = !gone;
});
let panels, pending, timer;

function trouble(text) {
  element("trouble").hidden = !text;
  element("trouble").firstElementChild.textContent = text;
}
const say = (text) => {
  element("said").textContent = text;
};
const attempt = (work) => work.catch((error) => trouble(error.message));

const page = {
  state,
  view,
  player,
  shared,
  current: "denoise",
  ear: 1,
  voices: { solo: null, muted: new Set() },
  get files() {
    return shared.now?.files ?? [];
  },

  async open(id) {
    const file = this.files.find((one) => one.id === id);
    if (!file || state.file?.id === id) return;
    flush();
    player.pause();
    view.clear();
    Object.assign(state, { file, form: null, cuts: null, classes: null });
    player.loop = view.loop = null;
    this.voices = { solo: null, muted: new Set() };
    history.replaceState(null, "", `#${id}`);
    element("empty").hidden = true;
    element("name").textContent = file.name;
    const channels = [null, t("mono"), t("stereo")][file.n_channels] ?? t("channels", file.n_channels);
    element("about").textContent = `${clock(file.duration_s)} · ${file.sample_rate / 1000} kHz · ${channels}`;
    element("timeline").setAttribute("aria-valuemax", file.duration_s.toFixed(2));
    player.open(file);
    view.show(0, Math.min(file.duration_s, 60));
    follow();
    try {
      const form = await get("/api/file", { name: id });
      if (state.file?.id !== id) return;
      state.form = form;
    } catch (error) {
      trouble(`${file.name}: ${error.message}`);
    }
    follow();
    attempt(results());
    this.findCuts();
  },
  mode(mode, focus = false) {
    const { position } = this,
      edited = "cut" in player.gains;
    this.current = mode;
    for (const one of MODES) {
      element(`panel-${one}`).hidden = one !== mode;
      const tab = element(`mode-${one}`);
      tab.setAttribute("aria-selected", String(one === mode));
      tab.tabIndex = one === mode ? 0 : -1;
      if (focus && one === mode) say(tab.textContent);
    }
    document.body.dataset.mode = mode;
    this.ear = mode === "classify" || (mode === "cut" && !state.cuts) ? 0 : 1;
    follow();
    this.findCuts();
    if (state.file && edited !== ("cut" in player.gains)) this.seek(position); // the result has a time of its own
  },
  /** Finds the cuts of a recording that is not too long, unless they are known or a job has been at it. */
  findCuts() {
    const { file } = state;
    if (this.current !== "cut" || !file || file.cuts_known || file.marked || file.duration_s > FIND_S) return;
    const begun = (job) => job.task === "find_cuts" && job.ids.includes(file.id);
    if (!shared.now.jobs.some(begun)) this.job("find_cuts");
  },
  hear(index) {
    if (!state.file || index >= earsOf(this.current).length) return;
    const { position } = this,
      was = this.ear;
    this.ear = index;
    if (this.current === "cut" && was !== index && state.cuts) {
      const playing = player.playing; // the result has a time of its own
      player.pause();
      this.listen();
      player.seek(index ? toResult(state.cuts, position) : position);
      if (playing) player.play();
    } else this.listen();
    say(t(earsOf(this.current)[index]));
    earButtons(this);
    moved();
  },
  /** Opens a recording as soon as the state has it. */
  show(id) {
    this.wish = id ?? this.wish;
    arrived(shared.now);
  },
  /** Sets the section that plays again and again; without one, ends that. */
  loop(from, to) {
    const whole = from === undefined || "cut" in player.gains;
    player.loop = whole ? null : [from, to].map((time) => Math.round(Math.min(view.duration, Math.max(0, time)) * player.rate));
    view.loop = whole ? null : [from, to];
    view.place(this.position);
    if (!whole) this.playFrom(from);
  },
  swap() {
    this.hear(this.ear === 0 ? 1 : 0);
  },
  /** Gives the player the tracks of this mode and their gains. */
  listen() {
    if (!state.file) return;
    const { gains, length } = tracksOf(this);
    player.use(gains, length);
    view.mark(Object.keys(gains).filter((name) => gains[name]).map((name) => (name === "cut" ? "before" : name)));
  },
  /** The time in the recording that plays. */
  get position() {
    return "cut" in player.gains && state.cuts ? fromResult(state.cuts, player.position) : player.position;
  },
  seek(time) {
    if (!state.file) return;
    const inside = Math.min(view.duration, Math.max(0, time));
    player.seek("cut" in player.gains ? toResult(state.cuts, inside) : inside);
    view.follow(inside, false);
  },
  playFrom(time) {
    this.seek(time);
    if (!player.playing) player.play();
  },
  toggle() {
    if (!state.file) return;
    if (player.playing) player.pause();
    else player.play();
  },
  zoom(factor) {
    const time = this.position;
    view.zoom(factor, time >= view.from && time <= view.to ? time : view.from + view.span / 2);
  },
  /** Changes settings: at once here, and a moment later on the server. */
  set(changes) {
    if (!state.file) return;
    Object.assign(state.file.settings, changes);
    panels.show(state.file);
    pending = { id: state.file.id, changes: { ...(pending?.id === state.file.id ? pending.changes : {}), ...changes } };
    clearTimeout(timer);
    timer = setTimeout(flush, WAIT_MS);
  },
  nudge(by) {
    const key = { denoise: "strength", cut: "cut_strength" }[this.current];
    if (!key || !state.file) return;
    const value = Math.round(100 * Math.min(1, Math.max(0, state.file.settings[key] + by))) / 100;
    this.set({ [key]: value });
    say(`${t("strength")} ${value}`);
  },
  async job(task, files = [state.file]) {
    await flush();
    if (files[0]) await attempt(shared.send("/api/jobs", { task, names: files.map((one) => one.id) }));
  },
  save() {
    return this.job(this.current);
  },
  /** Gives all recordings the settings of the shown one, and saves them. */
  async saveAll() {
    await flush();
    const { together, ...changes } = state.file.settings;
    for (const { id } of this.files) if (id !== state.file.id) await attempt(shared.send("/api/settings", { name: id, changes }));
    await this.job(this.current, this.files);
  },
  pauseQueue() {
    attempt(shared.send("/api/pause", { paused: !shared.now.paused }));
  },
  beside(by) {
    const index = this.files.findIndex((one) => one.id === state.file?.id);
    this.open(this.files[index + by]?.id);
  },
  async copy(text = element("command").firstElementChild.textContent) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      getSelection().selectAllChildren(element("command").firstElementChild); // the person copies it
      return;
    }
    say(t("copied"));
    element("copy").textContent = t("copied");
    setTimeout(() => (element("copy").textContent = t("copy")), 1500);
  },
};
Object.assign(page, { follow, lists });
globalThis.studio = page; // for the console, and for tests

async function flush(more) {
  clearTimeout(timer);
  if (!pending) return;
  const { id, changes } = pending;
  pending = null;
  await attempt(shared.send("/api/settings", { name: id, changes }, more));
  if (SOUNDING.some((key) => key in changes)) player.refresh("after");
  if (["cut_strength", "together", "by_hand"].some((key) => key in changes)) await attempt(results());
}

/** Fetches cuts and classes, as far as they are known. */
async function results() {
  const { file } = state;
  if (!file) return;
  const [cuts, found] = await Promise.all([get("/api/cuts", { name: file.id }), get("/api/classes", { name: file.id })]);
  if (state.file?.id !== file.id) return;
  const { position } = page,
    changed = JSON.stringify(cuts.remove) !== JSON.stringify(state.cuts);
  Object.assign(state, { cuts: cuts.remove, classes: found.windows });
  state.labels = Object.keys(found.windows[0] ?? {}).filter((key) => key.startsWith("p_")).map((key) => key.slice(2));
  if (changed && "cut" in player.gains) {
    const playing = player.playing;
    player.pause();
    page.listen();
    player.seek(toResult(state.cuts ?? [], position));
    if (playing) player.play();
  }
  follow();
}

/** What decides on the cuts of a recording. */
const deciding = ({ settings }) => JSON.stringify([settings.cut_strength, settings.together, settings.by_hand]);

/** Takes a new state of the server. */
function arrived(now) {
  if (!now) return;
  const old = state.file,
    file = now.files.find((one) => one.id === old?.id);
  if (old && !file) {
    player.pause();
    view.clear();
    Object.assign(state, { file: null, form: null, cuts: null, classes: null });
    element("name").textContent = element("about").textContent = "";
    element("lanes").replaceChildren();
    view.arranged = null;
    element("empty").hidden = false;
    element("head").hidden = true;
  } else if (file) {
    if (pending?.id === file.id) Object.assign(file.settings, pending.changes);
    const renewed = ["cuts_known", "label", "n_voices", "marked"].some((key) => file[key] !== old[key]);
    const other = deciding(file) !== deciding(old);
    if (soundOf(file.settings) !== soundOf(old.settings)) player.refresh("after"); // another tab has changed it
    state.file = file;
    if (renewed || other) attempt(results());
    follow();
  }
  const wish = page.wish && now.files.some((one) => one.id === page.wish) ? page.wish : null;
  page.wish = wish ? null : page.wish;
  if (wish) page.open(wish);
  else if (!state.file && now.files.length) page.open((now.files.find((one) => `#${one.id}` === location.hash) ?? now.files[0]).id);
  lists();
}

function lists() {
  const now = shared.now;
  if (!now) return;
  showFiles(now.files, state.file?.id, { open: (id) => page.open(id), close: (id) => attempt(shared.send("/api/close", { name: id })) });
  showJobs(now.jobs, copies, now.paused, { cancel: (id) => attempt(shared.send("/api/cancel", { job: id })) });
  element("output-path").textContent = now.output;
  element("save-all").disabled = now.files.length < 2;
  for (const one of document.querySelectorAll(".save, #find-cuts, #by-hand, #play")) one.disabled = !state.file;
  showCommand(state.file ? state.file.commands[page.current] || t("no_command") : "");
  element("command").hidden = !state.file;
}

/** Brings lanes, player and fields to the present state. */
function follow() {
  const { file } = state;
  if (!file || !panels) return;
  view.arrange(lanesOf(page.current, file));
  if (state.form) for (const [track, version] of picturesOf(file)) view.tilesOf(track, version);
  page.listen();
  earButtons(page);
  panels.show(file);
  view.draw();
  lists();
}

/** Shows the position and the level; called on every frame while it plays. */
function moved() {
  if (!state.file) return;
  const time = page.position;
  if (player.playing) view.follow(time, true);
  view.place(time);
  element("clock").textContent = clock(time);
  const text = t(player.playing ? "stop" : "play");
  if (element("play").textContent !== text) element("play").textContent = text;
  showLevel(player);
  if (player.playing) return; // updates during playback would flood a screen reader
  element("timeline").setAttribute("aria-valuenow", time.toFixed(2));
  element("timeline").setAttribute("aria-valuetext", view.say(time));
}

for (const [id, action] of Object.entries({
  play: () => page.toggle(),
  in: () => page.zoom(0.5),
  out: () => page.zoom(2),
  fit: () => view.show(0, view.duration),
  choose: () => element("chosen").click(),
  pause: () => page.pauseQueue(),
  copy: () => page.copy(),
  "copy-output": () => page.copy(shared.now.output),
  "save-all": () => page.saveAll(),
  "find-cuts": () => page.job("find_cuts"),
  help: () => element("keys-dialog").showModal(),
  "by-hand": async () => {
    const tab = open("about:blank"); // at once, as a later window would be blocked
    try {
      tab.location = (await shared.send("/api/label", { name: state.file.id })).address;
    } catch (error) {
      tab?.close();
      trouble(error.message);
    }
  },
  ...Object.fromEntries(MODES.map((mode) => [`mode-${mode}`, () => page.mode(mode)])),
}))
  element(id).addEventListener("click", action);
for (const button of document.querySelectorAll(".save")) button.addEventListener("click", () => page.save());
element("trouble").lastElementChild.addEventListener("click", () => trouble(""));
rove(element("modes"), (tab) => tab.click());
rove(element("ears"), (button) => button.click());
addEventListener("pagehide", () => flush({ keepalive: true }));
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return; // the labelling page may have saved marks
  get("/api/state").then((now) => shared.take(now)).then(results).catch(() => {});
});
element("language").addEventListener("change", (event) => {
  translate(event.target.value);
  panels.translate();
  view.arranged = null;
  showHelp(page);
  follow();
  moved();
  lists();
});

translate();
element("language").value = language;
panels = new Panels(page, await get("/api/choices"));
showHelp(page);
listenToKeys(page);
listenToPointer(page);
listenToFiles(page, trouble);
page.mode("denoise");
element("play").textContent = t("play");
shared.watch();
document.documentElement.dataset.ready = "true";
