// Plays the recording, a region of it, or the result of the cuts; positions are always those of the recording.

import { fromResult, toResult } from "./marks.js";
import { post } from "./calls.js";

export class Player {
  /** moved: called at every frame while it plays, and when it starts or stops. failed: with a message. */
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
      wish: 0,
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
    return this.sounding === true;
  }
  get position() {
    if (!this.playing || this.audio.seeking) return this.place;
    return this.preview ? fromResult(this.preview, this.audio.currentTime) : this.audio.currentTime;
  }
  rate(speed) {
    this.speed = speed;
    this.audio.playbackRate = this.audio.defaultPlaybackRate = speed;
  }
  /** Plays the recording from a time to another one. */
  async play(from, until = Infinity) {
    this.pause();
    this.load(`/api/sound?${new URLSearchParams({ name: this.file.name })}`, null);
    this.until = until;
    await this.start(from >= this.file.duration_s - 0.02 ? 0 : from);
  }
  /** Plays the result from the join or sound at a time. */
  async playResult(from, spans) {
    this.pause();
    const wish = ++this.wish,
      file = this.file;
    try {
      const { url, duration_s } = await post("/api/preview", { name: file.name, remove: spans });
      if (wish !== this.wish || file !== this.file) return;
      this.load(url, spans);
      this.until = Infinity;
      const place = toResult(spans, from);
      await this.start(fromResult(spans, place >= duration_s - 0.02 ? 0 : place));
    } catch (error) {
      this.failed(`The preview cannot be made: ${error.message}`);
    }
  }
  async start(from) {
    const wish = ++this.wish;
    this.place = from;
    this.audio.currentTime = this.preview ? toResult(this.preview, from) : from;
    this.sounding = true;
    this.moved();
    try {
      await this.audio.play();
    } catch (error) {
      if (wish !== this.wish || error.name === "AbortError") return;
      this.sounding = false;
      this.failed(`The recording cannot be played: ${error.message}`);
    }
    const tick = () => {
      if (wish !== this.wish || !this.playing) return;
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
    this.wish++;
    this.sounding = false;
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
    this.wish++;
    this.sounding = false;
    this.place = this.file.duration_s;
    this.moved();
  }
}
