// Plays the recording, a section of it, or the result; positions always refer to the recording.

import { fromResult, toResult } from "./marks.js";
import { post } from "./calls.js";

export class Player {
  /** moved: called on every frame during playback, and on start and stop. failed: called with a message. */
  constructor(audio, moved, failed) {
    Object.assign(this, {
      audio,
      moved,
      failed,
      file: null,
      preview: null,
      until: Infinity,
      place: 0,
      speed: 1,
      request: 0,
    });
    audio.addEventListener("ended", () => this.ended());
    audio.addEventListener("pause", () => this.moved());
    audio.addEventListener("error", () => {
      if (audio.getAttribute("src")) this.failed("The recording cannot be played.");
    });
  }
  open(file) {
    this.pause();
    this.file = file;
    this.place = 0;
    this.load(`/api/sound?${new URLSearchParams({ name: file.name })}`, null);
  }
  load(url, preview) {
    this.preview = preview;
    if (this.audio.getAttribute("src") !== url) this.audio.src = url;
    this.audio.playbackRate = this.audio.defaultPlaybackRate = this.speed;
  }
  get playing() {
    return this.active === true;
  }
  get position() {
    if (!this.playing || this.audio.seeking) return this.place;
    return this.preview ? fromResult(this.preview, this.audio.currentTime) : this.audio.currentTime;
  }
  rate(speed) {
    this.speed = speed;
    this.audio.playbackRate = this.audio.defaultPlaybackRate = speed;
  }
  /** Plays the recording from one time to another. */
  async play(from, until = Infinity) {
    this.pause();
    this.load(`/api/sound?${new URLSearchParams({ name: this.file.name })}`, null);
    this.until = until;
    await this.start(from >= this.file.duration_s - 0.02 ? 0 : from);
  }
  /** Plays the result from a time of the recording, or from its join if that time is removed. */
  async playResult(from, spans) {
    this.pause();
    const request = ++this.request,
      file = this.file;
    try {
      const { url, duration_s } = await post("/api/preview", { name: file.name, remove: spans });
      if (request !== this.request || file !== this.file) return;
      this.load(url, spans);
      this.until = Infinity;
      const place = toResult(spans, from);
      await this.start(fromResult(spans, place >= duration_s - 0.02 ? 0 : place));
    } catch (error) {
      this.failed(`The preview cannot be made: ${error.message}`);
    }
  }
  async start(from) {
    const request = ++this.request;
    this.place = from;
    this.audio.currentTime = this.preview ? toResult(this.preview, from) : from;
    this.active = true;
    this.moved();
    try {
      await this.audio.play();
    } catch (error) {
      if (request !== this.request || error.name === "AbortError") return;
      this.active = false;
      this.failed(`The recording cannot be played: ${error.message}`);
    }
    const tick = () => {
      if (request !== this.request || !this.playing) return;
      this.place = this.position;
      if (this.place >= this.until) {
        const end = this.until;
        this.pause();
        this.place = end;
      } else requestAnimationFrame(tick);
      this.moved();
    };
    tick();
  }
  pause() {
    this.place = this.position;
    this.request++;
    this.active = false;
    this.audio.pause();
    this.moved();
  }
  seek(time) {
    time = Math.min(Math.max(0, time), this.file.duration_s);
    this.place = time;
    if (this.playing) this.audio.currentTime = this.preview ? toResult(this.preview, time) : time;
    this.moved();
  }
  ended() {
    this.request++;
    this.active = false;
    this.place = this.file.duration_s;
    this.moved();
  }
}
