// Draws one lane of a time line: waveform, spectrogram, axis. A box is a canvas with its section of time.

import { clock } from "./paint.js";

const STEPS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200,
];

const NARROWEST_S = 0.2;

/** The visible section of a recording. Who extends it gives `duration` and `draw()`. */
export class Section {
  constructor() {
    this.from = 0;
    this.span = 1;
  }
  get to() {
    return this.from + this.span;
  }
  show(from, span = this.span) {
    this.span = Math.min(this.duration, Math.max(Math.min(NARROWEST_S, this.duration), span));
    this.from = Math.min(this.duration - this.span, Math.max(0, from));
    this.draw();
  }
  zoom(factor, around) {
    const share = (around - this.from) / this.span,
      span = Math.min(this.duration, Math.max(NARROWEST_S, this.span * factor));
    this.show(around - share * span, span);
  }
  /** Scrolls to make a time visible; during playback page by page. */
  follow(time, playing) {
    if (time < this.from || time > this.to) this.show(time - this.span * (playing ? 0.05 : 0.5));
  }
}

/** The colours of the style sheet by name. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  return new Proxy({}, { get: (_, key) => style.getPropertyValue(`--${key}`).trim() });
}

/** An empty box of the size of the canvas on the screen, from `from` on, `span` seconds wide. */
export function cleared(canvas, context, from, span) {
  const ratio = devicePixelRatio;
  const width = Math.round(canvas.clientWidth * ratio),
    height = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.clearRect(0, 0, width, height);
  return { context, width, height, ratio, from, span, x: (time) => ((time - from) / span) * width };
}

/** Lowest and highest sample of each pixel column as bars; removed parts in another colour. */
export function drawBars({ context, width, height, span, from }, tiles, file, scale, colours, spans = []) {
  const level = Math.max(0, Math.floor(Math.log2(Math.max(1, span / width / file.bin_s))));
  const bin = file.bin_s * 2 ** level,
    size = file.tile_bins,
    middle = height / 2,
    gain = (middle * scale) / 32767;
  const cut = new Path2D(),
    kept = new Path2D();
  let index = -1,
    tile,
    next = 0;
  for (let column = 0; column < width; column++) {
    const first = Math.floor((from + (column / width) * span) / bin);
    const last = Math.max(first, Math.ceil((from + ((column + 1) / width) * span) / bin) - 1);
    let low = Infinity,
      high = -Infinity;
    for (let k = first; k <= last; k++) {
      if (Math.floor(k / size) !== index) tile = tiles.get("wave", level, (index = Math.floor(k / size)));
      const place = 2 * (k - index * size);
      if (!tile || place >= tile.length) continue;
      low = Math.min(low, tile[place]);
      high = Math.max(high, tile[place + 1]);
    }
    if (low > high) continue;
    const time = from + ((column + 0.5) / width) * span;
    while (next < spans.length && spans[next][1] <= time) next++;
    const path = next < spans.length && spans[next][0] <= time ? cut : kept,
      top = middle - high * gain;
    path.rect(column, top, 1, Math.max(1.2, (high - low) * gain));
  }
  context.fillStyle = colours.wave;
  context.fill(kept);
  context.fillStyle = colours["wave-cut"];
  context.fill(cut);
}

export function drawMel({ context, width, height, from, span, x }, tiles, file) {
  const level = Math.max(0, Math.floor(Math.log2(Math.max(1, span / width / file.column_s))));
  const column = file.column_s * 2 ** level,
    size = file.tile_columns;
  context.imageSmoothingEnabled = true;
  for (let index = Math.floor(from / column / size); index * size * column < from + span; index++) {
    const image = tiles.get("mel", level, index),
      left = index * size * column;
    if (image) context.drawImage(image, x(left), 0, x(left + image.width * column) - x(left), height);
  }
}

/** Slaney's mel scale: linear below 1 kHz, logarithmic above. */
const mel = (hz) => (hz < 1000 ? (3 * hz) / 200 : 15 + (27 * Math.log(hz / 1000)) / Math.log(6.4));

/** Frequencies at the right edge of a spectrogram. */
export function drawHertz(box, { band_hz: [lowest, highest] }) {
  const { width, height, ratio } = box;
  let above = -Infinity;
  for (const hz of [8000, 4000, 2000, 1000, 500, 250]) {
    const share = (mel(hz) - mel(lowest)) / (mel(highest) - mel(lowest)),
      y = (1 - share) * height;
    if (y < 8 * ratio || y > height - 8 * ratio || y < above + 17 * ratio) continue;
    above = y;
    const text = hz < 1000 ? `${hz}` : `${hz / 1000}k`;
    drawText(box, text, width - 8 * ratio, y, "right", "#fff", "rgb(0 0 0 / 55%)");
  }
}

export function drawAxis(box, colours) {
  const { context, width, ratio, from, span, x } = box,
    wanted = (span / width) * 90 * ratio;
  const step = STEPS.find((value) => value >= wanted) ?? 7200,
    digits = step >= 1 ? 0 : step >= 0.1 ? 1 : step >= 0.01 ? 2 : 3;
  for (let k = Math.ceil(from / step); k * step <= from + span; k++) {
    const place = x(k * step),
      text = clock(k * step, digits);
    context.fillStyle = colours.soft;
    context.fillRect(place, 0, ratio, 5 * ratio);
    const half = context.measureText(text).width / 2,
      inside = Math.min(width - half - 4 * ratio, Math.max(half + 4 * ratio, place));
    drawText(box, text, inside, box.height * 0.6, "center", colours.soft);
  }
}

/** ground: colour of a plate behind the text, or null. */
export function drawText({ context, ratio }, text, x, y, align, colour, ground = null) {
  const size = parseFloat(getComputedStyle(document.documentElement).fontSize) * 0.78 * ratio;
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.textAlign = align;
  context.textBaseline = "middle";
  if (ground) {
    const wide = context.measureText(text).width + size * 0.7,
      left = align === "center" ? x - wide / 2 : align === "right" ? x - wide + size * 0.35 : x - size * 0.35;
    context.fillStyle = ground;
    context.fillRect(left, y - size * 0.75, wide, size * 1.5);
  }
  context.fillStyle = colour;
  context.fillText(text, x, y);
}
