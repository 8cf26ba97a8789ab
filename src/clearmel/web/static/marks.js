// Spans [start, end] to remove in seconds, in order and without overlap. All functions return new lists.

const SHORTEST = 0.001;

/** Sorts spans and merges those that touch. */
export function tidy(spans, duration) {
  const found = [];
  for (const [a, b] of spans.map(([a, b]) => [Math.max(0, a), Math.min(duration, b)]).sort((x, y) => x[0] - y[0])) {
    const last = found.at(-1);
    if (last && a <= last[1]) last[1] = Math.max(last[1], b);
    else if (b - a >= SHORTEST) found.push([a, b]);
  }
  return found.map((span) => span.map((edge) => Math.round(edge * 1e6) / 1e6));
}

export const remove = (spans, a, b, duration) => tidy([...spans, [Math.min(a, b), Math.max(a, b)]], duration);

export function keep(spans, a, b, duration) {
  const [from, to] = [Math.min(a, b), Math.max(a, b)];
  return tidy(
    spans.flatMap(([s, e]) =>
      [
        [s, Math.min(e, from)],
        [Math.max(s, to), e],
      ].filter(([x, y]) => y > x),
    ),
    duration,
  );
}

/** Moves one edge. It may pass the other edge; spans that it reaches are merged. */
export function move(spans, { index, side }, time, duration) {
  const moved = [...spans[index]];
  moved[side] = time;
  return remove(
    spans.filter((_, k) => k !== index),
    ...moved,
    duration,
  );
}

export const total = (spans) => spans.reduce((sum, [a, b]) => sum + b - a, 0);
export const at = (spans, time) => spans.find(([a, b]) => a <= time && time < b);
export const same = (x, y) => JSON.stringify(x) === JSON.stringify(y);

/** Position in the result of a time in the recording; removed times map to their join. */
export const toResult = (spans, time) =>
  time - spans.reduce((sum, [a, b]) => sum + Math.min(b, Math.max(a, time)) - a, 0);

/** Time in the recording of a position in the result. */
export function fromResult(spans, place) {
  for (const [a, b] of spans) {
    if (place < a) break;
    place += b - a;
  }
  return place;
}

/** The states for undo and redo. */
export class History {
  constructor(spans) {
    this.states = [spans];
    this.place = 0;
  }
  get now() {
    return this.states[this.place];
  }
  get undoable() {
    return this.place > 0;
  }
  get redoable() {
    return this.place < this.states.length - 1;
  }
  push(spans) {
    if (same(spans, this.now)) return false;
    this.states.splice(++this.place, Infinity, spans);
    if (this.states.length > 500) this.place -= this.states.splice(0, 1).length;
    return true;
  }
  step(by) {
    const place = this.place + by;
    if (!this.states[place]) return false;
    this.place = place;
    return true;
  }
}
