// The labels of each opened file, their history, and how they are saved.

import { History, same } from "./marks.js";
import { get, post } from "./calls.js";

const WAIT_MS = 400;
const RETRY_MS = 3000;

export class Document {
  /** changed: called when the displayed state has changed. */
  constructor(file, changed) {
    this.changed = changed;
    this.theirs = null; // the stored labels after a refused save
    this.failure = "";
    this.saving = false;
    this.take(file);
  }
  static async open(name, changed) {
    return new Document(await get("/api/file", { name }), changed);
  }

  take(file) {
    this.file = { ...this.file, ...file };
    this.version = file.version;
    this.labelled = file.labelled;
    this.suggested = !file.labelled && Array.isArray(file.suggested);
    this.history = new History(this.suggested ? file.suggested : file.remove);
    this.dirty = false;
    this.theirs = null;
    this.failure = "";
  }
  get spans() {
    return this.history.now;
  }
  set(spans) {
    if (!this.history.push(spans)) return false;
    this.touch();
    return true;
  }
  step(by) {
    if (!this.history.step(by)) return false;
    this.touch();
    return true;
  }
  /** Schedules a save, even if there are no cuts. */
  touch() {
    this.dirty = true;
    this.suggested = false;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), WAIT_MS);
    this.changed();
  }
  async save(more) {
    clearTimeout(this.timer);
    if (!this.dirty || this.saving || this.theirs) return;
    const sent = this.spans;
    this.saving = true;
    this.changed();
    try {
      const stored = await post("/api/labels", { name: this.file.name, remove: sent, version: this.version }, more);
      this.version = stored.version;
      this.labelled = true;
      this.dirty = !same(this.spans, sent);
      this.failure = "";
    } catch (error) {
      if (error.status === 409) [this.theirs, this.labelled] = [error.body, error.body.labelled];
      else this.failure = error.status ? error.message : "the server does not respond";
    }
    this.saving = false;
    if (this.dirty && !this.theirs) this.timer = setTimeout(() => this.save(), this.failure ? RETRY_MS : 0);
    this.changed();
  }
  /** After a refused save: replaces the labels here, which stay in the history, by the stored ones. */
  takeTheirs() {
    this.history.push(this.theirs.remove);
    this.version = this.theirs.version;
    this.labelled = this.theirs.labelled;
    this.theirs = null;
    this.dirty = false;
    this.changed();
  }
  /** After a refused save: overwrites the stored labels, unless they have changed again. */
  overwrite() {
    this.version = this.theirs.version;
    this.theirs = null;
    this.touch();
    return this.save();
  }
  /** When the page becomes visible: loads what another tab has stored, unless there are unsaved changes. */
  async refresh() {
    if (this.dirty || this.saving) return;
    const file = await get("/api/file", { name: this.file.name });
    const suggested = !this.labelled && !this.suggested && file.suggested;
    if (!this.dirty && (suggested || file.version !== this.version)) this.take(file);
    this.changed();
  }
}
