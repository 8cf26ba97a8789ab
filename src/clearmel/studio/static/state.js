// The server's state, which all tabs share: waits for changes, and notices when the server has ended.

import { get, post } from "./calls.js";

const RETRY_MS = 1000;
const started = document.querySelector("meta[name=clearmel-started]").content;

export class Shared {
  /** changed: called with each new state. gone: called with whether the server is away. */
  constructor(changed, gone) {
    Object.assign(this, { changed, gone, now: null });
  }
  take(state) {
    if (this.now && state.version < this.now.version) return; // an older answer came later
    this.now = state;
    this.changed(state);
  }
  async watch() {
    while (true) {
      if (document.hidden) await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
      try {
        const state = await get("/api/state", this.now ? { since: this.now.version } : {});
        if (state.started !== started) return location.reload(); // the server is another one
        this.gone(false);
        this.take(state);
      } catch {
        this.gone(true);
        await new Promise((done) => setTimeout(done, RETRY_MS));
        if (this.now) this.now.version = 0;
      }
    }
  }
  /** Posts and takes the state that comes back. */
  async send(path, body, more) {
    const answer = await post(path, body, more);
    if (answer.version) this.take(answer);
    return answer;
  }
}

/** Sends a file as it is, in a stream. progress: called with the share that is sent. Gives the answer; `stop` is a signal. */
export async function upload(file, progress, stop) {
  await post("/api/room", { size: file.size });
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/upload?${new URLSearchParams({ file: file.name })}`);
    request.setRequestHeader("X-Clearmel-Token", document.querySelector("meta[name=clearmel-token]").content);
    request.responseType = "json";
    request.upload.onprogress = (event) => progress(event.loaded / Math.max(1, event.total));
    request.onload = () => (request.status === 200 ? done(request.response) : fail(new Error(request.response?.error ?? `status ${request.status}`)));
    // The server ends the connection when the disk is full: it says so when it is asked again.
    request.onerror = () => post("/api/room", { size: file.size }).then(() => fail(new Error(`${file.name} could not be copied.`)), fail);
    request.onabort = () => done({ names: [] });
    stop.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
