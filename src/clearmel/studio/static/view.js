// Draws the lanes of a recording on one time axis: waves and spectrograms of its tracks, cuts and classes.

import { Section, cleared, colours, drawAxis, drawBars, drawHertz, drawMel, drawText } from "./lanes.js";
import { clock, hatch } from "./paint.js";
import { Tiles } from "./tiles.js";
import { t } from "./words.js";

const element = (id) => document.getElementById(id);
const CLASS_COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#5b5bd6", "#7a4b2a", "#606060", "#007c91", "#a3195b"];

/** The colour of a class: those of Okabe and Ito, which the colour-blind can tell apart, then others. */
export const colourOf = (index) => CLASS_COLOURS[index % CLASS_COLOURS.length];

export class View extends Section {
  /** state: { file, form, cuts, classes, labels }. failed: called with a message about a recording that cannot be drawn. */
  constructor(state, failed) {
    super();
    Object.assign(this, { state, failed });
    this.lanes = [];
    this.tiles = new Map();
    new ResizeObserver(() => this.draw()).observe(element("timeline"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }
  get duration() {
    return this.state.file?.duration_s ?? 1;
  }
  /** The cuts, where the lanes show them. */
  get cuts() {
    return this.lanes.some(({ kind }) => kind === "strip") ? (this.state.cuts ?? []) : [];
  }
  /** lanes: [{ kind, track, label }] from top to bottom. */
  arrange(lanes) {
    const wanted = JSON.stringify(lanes);
    if (wanted === this.arranged) return;
    this.arranged = wanted;
    const box = element("lanes");
    box.replaceChildren();
    this.lanes = lanes.map((lane) => {
      const frame = document.createElement("div"),
        canvas = document.createElement("canvas");
      frame.className = `lane ${lane.kind}`;
      canvas.setAttribute("aria-hidden", "true");
      canvas.dataset.kind = lane.kind;
      canvas.dataset.track = lane.track ?? "";
      frame.append(canvas);
      if (lane.label) frame.append(Object.assign(document.createElement("b"), { textContent: lane.label }));
      box.append(frame);
      return { ...lane, frame, canvas, context: canvas.getContext("2d") };
    });
    this.draw();
  }
  /** Marks the lanes of the tracks that are audible. */
  mark(audible) {
    for (const lane of this.lanes) lane.frame.classList.toggle("audible", audible.includes(lane.track));
  }
  /** The tiles of a track; a new `version` fetches them anew. */
  tilesOf(track, version) {
    const found = this.tiles.get(track);
    if (found?.version === version) return found.tiles;
    found?.tiles.close();
    const tiles = new Tiles({ name: this.state.file.id, track, version }, () => {
      if (tiles.failure) this.failed(tiles.failure);
      this.draw();
    });
    this.tiles.set(track, { version, tiles });
    return tiles;
  }
  clear() {
    for (const { tiles } of this.tiles.values()) tiles.close();
    this.tiles.clear();
  }
  time(x, overview = false) {
    const box = element("lanes").getBoundingClientRect(),
      share = (x - box.left) / box.width;
    return overview ? share * this.duration : this.from + share * this.span;
  }
  /** Moves the line of the playhead. */
  place(time) {
    const head = element("head"),
      box = element("lanes"),
      overview = this.lanes[0]?.canvas.clientHeight ?? 0;
    const x = ((time - this.from) / this.span) * box.clientWidth;
    head.hidden = !this.state.file || x < 0 || x > box.clientWidth;
    head.style.transform = `translateX(${x}px)`;
    head.style.top = `${overview}px`;
    this.position = time;
    const loop = element("loop");
    loop.hidden = !this.loop;
    if (!this.loop) return;
    const [from, to] = this.loop.map((edge) => ((edge - this.from) / this.span) * box.clientWidth);
    Object.assign(loop.style, { left: `${from}px`, width: `${to - from}px`, top: `${overview}px` });
  }
  draw() {
    this.wanted ??= requestAnimationFrame(() => {
      this.wanted = null;
      if (!this.state.file || !this.state.form) return;
      this.colours = colours();
      for (const lane of this.lanes) this.lane(lane);
      this.place(this.position ?? 0);
    });
  }
  lane(lane) {
    const whole = lane.kind === "overview";
    const box = cleared(lane.canvas, lane.context, whole ? 0 : this.from, whole ? this.duration : this.span);
    this[`draw_${lane.kind}`](box, lane);
  }
  /** One scale for all waves, so that before and after can be compared. */
  get scale() {
    return 0.94 / Math.max(0.02, this.tiles.get("before")?.tiles.peak || 1);
  }
  draw_overview(box) {
    const { context, width, height, ratio, x } = box,
      tiles = this.tiles.get("before")?.tiles;
    if (!tiles) return;
    drawBars(box, tiles, this.state.form, this.scale, this.colours, this.cuts);
    context.fillStyle = this.colours.ground;
    context.globalAlpha = 0.6;
    context.fillRect(0, 0, x(this.from), height);
    context.fillRect(x(this.to), 0, width, height);
    context.globalAlpha = 1;
    context.strokeStyle = this.colours.mark;
    context.lineWidth = 2 * ratio;
    context.strokeRect(x(this.from) + ratio, ratio, Math.max(2 * ratio, x(this.to) - x(this.from) - 2 * ratio), height - 2 * ratio);
    if (tiles.share < 1 && !tiles.failure)
      drawText(box, t("reading", Math.floor(100 * tiles.share)), width - 8 * ratio, height / 2, "right", this.colours.ink, this.colours.ground);
  }
  draw_wave(box, { track }) {
    const found = this.tiles.get(track),
      cuts = track === "before" ? this.cuts : [];
    const { context, height, ratio, x } = box;
    for (const [a, b] of cuts) {
      context.fillStyle = this.colours["cut-fill"];
      context.fillRect(x(a), 0, Math.max(1, x(b) - x(a)), height);
    }
    if (!this.ready(found)) {
      this.missing(box, track, this.colours.soft);
      return;
    }
    context.fillStyle = this.colours.line;
    context.fillRect(0, Math.round(height / 2), box.width, Math.max(1, ratio / 2));
    drawBars(box, found.tiles, this.state.form, this.scale, this.colours, cuts);
  }
  draw_mel(box, { track }) {
    const found = this.tiles.get(track);
    if (this.ready(found)) drawMel(box, found.tiles, this.state.form);
    else this.missing(box, track, "#d9d9e0");
    if (this.ready(found)) drawHertz(box, this.state.form);
    if (track !== "before") return;
    for (const [a, b] of this.cuts) {
      box.context.fillStyle = "rgb(255 255 255 / 26%)";
      box.context.fillRect(box.x(a), 0, Math.max(1, box.x(b) - box.x(a)), box.height);
    }
  }
  /** Whether the visible section of a track has been read. */
  ready(found) {
    return found && (found.tiles.share === 1 || found.tiles.share * this.duration > this.from);
  }
  missing(box, track, colour) {
    const { draft } = this.state.file,
      tiles = this.tiles.get(track)?.tiles;
    let text = t("no_voices");
    if (track === "after") text = draft ? draft.failure || t("drawing", Math.floor(100 * draft.share)) : t("no_draft");
    if (tiles) text = tiles.failure || t("reading", Math.floor(100 * tiles.share));
    drawText(box, text, box.width / 2, box.height / 2, "center", colour);
  }
  draw_strip(box) {
    const { context, width, height, ratio, x } = box,
      { cuts } = this.state;
    if (!cuts) {
      drawText(box, t("cut_unknown"), width / 2, height / 2, "center", this.colours.soft);
      return;
    }
    context.fillStyle = this.colours.kept;
    context.fillRect(x(0), ratio, x(this.duration) - x(0), height - 2 * ratio);
    let end = 0;
    for (const [a, b] of [...cuts, [this.duration, this.duration]]) {
      const middle = (Math.max(0, x(end)) + Math.min(width, x(a))) / 2;
      if (Math.min(width, x(a)) - Math.max(0, x(end)) > 60 * ratio) drawText(box, t("keep"), middle, height / 2, "center", this.colours.on);
      end = b;
      const left = Math.max(-9, x(a)),
        right = Math.min(width + 9, x(b));
      if (right <= left) continue;
      context.fillStyle = this.colours.ground;
      context.fillRect(left, ratio, right - left, height - 2 * ratio);
      hatch(context, left, ratio, right - left, height - 2 * ratio, ratio, this.colours.cut);
      if (right - left > 70 * ratio) drawText(box, t("remove"), (left + right) / 2, height / 2, "center", this.colours.cut, this.colours.ground);
    }
  }
  draw_classes(box) {
    const { context, height, ratio, x } = box,
      { classes, labels } = this.state;
    if (!classes?.length) {
      drawText(box, t("save_classes"), box.width / 2, height / 2, "center", this.colours.soft);
      return;
    }
    const middles = classes.map((row) => (row.start_s + row.end_s) / 2); // windows overlap: each reaches half-way
    classes.forEach((row, index) => {
      const from = index ? (middles[index - 1] + middles[index]) / 2 : row.start_s;
      const to = index + 1 < classes.length ? (middles[index] + middles[index + 1]) / 2 : row.end_s;
      if (x(to) < 0 || x(from) > box.width) return;
      const tall = height * (0.35 + 0.65 * row.probability);
      context.fillStyle = colourOf(labels.indexOf(row.label));
      context.fillRect(x(from), height - tall, Math.max(1, x(to) - x(from) - ratio / 2), tall);
      if (x(to) - x(from) > 90 * ratio) drawText(box, row.label, (x(from) + x(to)) / 2, height * 0.68, "center", "#fff");
    });
  }
  draw_axis(box) {
    drawAxis(box, this.colours);
  }
  /** What a screen reader says about a time. */
  say(time) {
    const cut = this.cuts.some(([a, b]) => a <= time && time < b);
    const found = this.state.classes?.find((row) => row.start_s <= time && time < row.end_s);
    return [clock(time), this.cuts.length > 0 && t(cut ? "remove" : "keep"), found?.label].filter(Boolean).join(", ");
  }
}
