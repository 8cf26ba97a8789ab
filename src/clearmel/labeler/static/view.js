// Draws the time line: overview, waveform, spectrogram, strip and axis on a common time scale.

import { total } from "./marks.js";
import { clock, counted, hatch } from "./paint.js";
import { Section, cleared, colours, drawAxis, drawBars, drawMel, drawText } from "./lanes.js";

const LANES = ["overview", "wave", "mel", "strip", "axis"];

export class View extends Section {
  /** state: { document, tiles, position, selection, drag }, selection and drag as [from, to]. */
  constructor(state) {
    super();
    this.state = state;
    this.lanes = Object.fromEntries(LANES.map((name) => [name, document.getElementById(name)]));
    this.contexts = Object.fromEntries(LANES.map((name) => [name, this.lanes[name].getContext("2d")]));
    new ResizeObserver(() => this.draw()).observe(document.getElementById("timeline"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.colours = null;
      this.draw();
    });
  }
  get duration() {
    return this.state.document?.file.duration_s ?? 1;
  }
  time(x, lane = "wave") {
    const box = this.lanes[lane].getBoundingClientRect(),
      share = (x - box.left) / box.width;
    return lane === "overview" ? share * this.duration : this.from + share * this.span;
  }
  secondsPerPixel() {
    return this.span / this.lanes.wave.clientWidth;
  }
  draw() {
    this.wanted ??= requestAnimationFrame(() => {
      this.wanted = null;
      if (this.state.document) for (const name of LANES) this.lane(name);
    });
  }
  lane(name) {
    this.colours ??= colours();
    const [from, span] = name === "overview" ? [0, this.duration] : [this.from, this.span];
    const box = cleared(this.lanes[name], this.contexts[name], from, span);
    this[`draw_${name}`](box);
    if (name !== "axis") this.playhead(box, name);
  }
  playhead({ context, height, ratio, x }, name) {
    const place = Math.round(x(this.state.position));
    context.fillStyle = name === "mel" ? "#fff" : this.colours.ink;
    context.fillRect(place - ratio * 0.75, 0, Math.max(1.5, 1.5 * ratio), height);
    if (name !== "wave") return;
    context.beginPath(); // a handle that makes the playhead visible
    context.moveTo(place - 6 * ratio, 0);
    context.lineTo(place + 6 * ratio, 0);
    context.lineTo(place, 9 * ratio);
    context.fill();
  }
  bars(box, scale) {
    const { document: now, tiles } = this.state;
    drawBars(box, tiles, now.file, scale, this.colours, now.spans);
  }
  get scale() {
    return 0.94 / Math.max(0.02, this.state.tiles.peak || 1);
  }
  draw_overview(box) {
    const { context, width, height, ratio, x } = box;
    this.cuts(box, 0, height, false);
    this.bars(box, this.scale);
    context.fillStyle = this.colours.ground;
    context.globalAlpha = 0.6;
    context.fillRect(0, 0, x(this.from), height);
    context.fillRect(x(this.to), 0, width, height);
    context.globalAlpha = 1;
    context.strokeStyle = this.colours.mark;
    context.lineWidth = 2 * ratio;
    context.strokeRect(
      x(this.from) + ratio,
      ratio,
      Math.max(2 * ratio, x(this.to) - x(this.from) - 2 * ratio),
      height - 2 * ratio,
    );
    const { share, failure } = this.state.tiles;
    if (share < 1 && !failure)
      this.text(box, `reading ${Math.floor(100 * share)} %`, width - 8 * ratio, height / 2, "right");
  }
  draw_wave(box) {
    this.cuts(box, 0, box.height);
    this.bars(box, this.scale);
    this.regions(box);
  }
  draw_mel(box) {
    drawMel(box, this.state.tiles, this.state.document.file);
    this.cuts(box, 0, box.height, true, "rgb(255 255 255 / 22%)", "#ff9d94");
    this.regions(box);
  }
  draw_strip(box) {
    const { context, width, height, ratio, x } = box,
      {
        document: { file, spans, theirs },
      } = this.state;
    const rows = theirs
      ? [
          [spans, "here"],
          [theirs.remove, "stored"],
        ]
      : [[spans, ""]];
    rows.forEach(([list, title], row) => {
      const top = (row * height) / rows.length + ratio,
        tall = height / rows.length - 2 * ratio;
      context.fillStyle = this.colours.kept;
      context.fillRect(x(0), top, x(file.duration_s) - x(0), tall);
      for (const [a, b] of list) {
        const left = Math.max(-9, x(a)),
          right = Math.min(width + 9, x(b));
        if (right < 0 || left > width) continue;
        context.fillStyle = this.colours.ground;
        context.fillRect(left, top, right - left, tall);
        hatch(context, left, top, right - left, tall, ratio, this.colours.cut);
        if (right - left > 70 * ratio)
          this.text(box, "remove", (left + right) / 2, top + tall / 2, "center", this.colours.cut, true);
      }
      if (title) this.text(box, title, 6 * ratio, top + tall / 2, "left", this.colours.ink, true);
      else {
        let end = 0;
        for (const [a, b] of [...list, [file.duration_s, 0]]) {
          const left = Math.max(0, x(end)),
            right = Math.min(width, x(a));
          if (right - left > 50 * ratio)
            this.text(box, "keep", (left + right) / 2, top + tall / 2, "center", this.colours.on);
          end = b;
        }
      }
    });
    this.regions(box);
  }
  cuts(
    { context, width, ratio, x },
    top,
    height,
    edges = true,
    fill = this.colours["cut-fill"],
    line = this.colours.cut,
  ) {
    for (const [a, b] of this.state.document.spans) {
      const left = x(a),
        right = x(b);
      if (right < 0 || left > width) continue;
      context.fillStyle = fill;
      context.fillRect(left, top, Math.max(1, right - left), height);
      context.fillStyle = line;
      if (edges) for (const edge of [left, right]) context.fillRect(Math.round(edge) - ratio / 2, top, ratio, height);
    }
  }
  regions(box) {
    const { selection, drag } = this.state;
    if (selection) this.frame(box, selection, this.colours.mark);
    if (drag)
      this.frame(
        box,
        drag.range,
        { remove: this.colours.cut, keep: this.colours.kept }[drag.kind] ?? this.colours.mark,
        0.3,
      );
  }
  frame({ context, height, ratio, x }, [a, b], colour, alpha = 0.18) {
    const left = x(Math.min(a, b)),
      right = x(Math.max(a, b));
    context.fillStyle = context.strokeStyle = colour;
    context.globalAlpha = alpha;
    context.fillRect(left, 0, right - left, height);
    context.globalAlpha = 1;
    context.lineWidth = 1.5 * ratio;
    context.strokeRect(left, ratio, right - left, height - 2 * ratio);
  }
  draw_axis(box) {
    drawAxis(box, this.colours);
  }
  text(box, text, x, y, align, colour = this.colours.soft, backed = false) {
    drawText(box, text, x, y, align, colour, backed ? this.colours.ground : null);
  }
  /** "kept 4:12.30 of 5:00.00, 13 cuts". */
  summary() {
    const {
      file: { duration_s: duration },
      spans,
    } = this.state.document;
    return `Kept ${clock(duration - total(spans))} of ${clock(duration)}, ${counted(spans)}`;
  }
}
