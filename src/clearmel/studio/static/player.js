// Plays several tracks of one recording sample by sample in step; what is audible is a matter of gains alone.

const WINDOW_S = 1; // fetched at a time
const AHEAD_S = 3; // scheduled before it plays
const LEAD_S = 0.06;
const FADE_S = 0.008;

export class Player {
  /** loop: samples [from, to] that play again and again, or null. changed: called on every frame while it plays, and on start and stop. failed: called with a message. */
  constructor(changed, failed) {
    Object.assign(this, { changed, failed, file: null, tracks: new Map(), gains: {}, place: 0, ticket: 0, loop: null });
    this.playing = false;
  }

  /** Opens a recording: { id, sample_rate, n_samples }. */
  open(file) {
    this.pause();
    Object.assign(this, { file, place: 0 });
    if (this.context?.sampleRate !== file.sample_rate) {
      this.context?.close();
      this.context = null;
    }
  }

  /** The tracks that run in step, with the gain of each; `length` in samples, if it is not that of the recording. */
  use(gains, length = this.file?.n_samples) {
    const same = JSON.stringify(Object.keys(gains)) === JSON.stringify(Object.keys(this.gains));
    Object.assign(this, { gains, length });
    if (!this.playing) return;
    if (same) for (const [name, track] of this.tracks) this.ramp(track.output.gain, gains[name]);
    else this.play(this.sample / this.rate);
  }
  ramp(gain, value) {
    const now = this.context.currentTime;
    gain.cancelScheduledValues(now);
    gain.setValueAtTime(gain.value, now);
    gain.linearRampToValueAtTime(value, now + FADE_S);
  }

  get rate() {
    return this.file.sample_rate;
  }
  /** The sample that plays now. */
  get sample() {
    if (!this.playing || !this.started) return this.place;
    const passed = Math.max(0, this.context.currentTime - this.started);
    return Math.min(this.length, this.first + Math.floor(passed * this.rate));
  }
  get position() {
    return this.file ? this.sample / this.rate : 0;
  }

  async play(from = this.position) {
    this.stop();
    const ticket = ++this.ticket;
    if (!this.context) this.connect();
    await this.context.resume().catch(() => {});
    if (ticket !== this.ticket) return;
    this.playing = true;
    this.first = this.place = from >= (this.length - 1) / this.rate ? 0 : Math.max(0, Math.round(from * this.rate));
    this.started = 0;
    this.changed();
    for (const [name, gain] of Object.entries(this.gains)) {
      const output = new GainNode(this.context, { gain });
      output.connect(this.analyser);
      this.tracks.set(name, { name, output, next: this.first, sources: [], round: 0 });
    }
    try {
      const begun = await Promise.all([...this.tracks.values()].map((track) => this.fetch(track.name, this.first)));
      if (ticket !== this.ticket) return;
      this.started = this.context.currentTime + LEAD_S;
      [...this.tracks.values()].forEach((track, index) => this.schedule(track, begun[index], this.first));
    } catch (error) {
      if (ticket === this.ticket) this.fail(error);
      return;
    }
    for (const track of this.tracks.values()) this.feed(track, ticket);
    const tick = () => {
      if (ticket !== this.ticket) return;
      if (this.loop && this.sample >= this.loop[1]) {
        this.play(this.loop[0] / this.rate);
        return;
      }
      if (this.sample >= this.length) {
        this.pause();
        this.place = this.length;
      } else requestAnimationFrame(tick);
      this.changed();
    };
    tick();
  }
  connect() {
    this.context = new AudioContext({ sampleRate: this.rate, latencyHint: "interactive" });
    this.analyser = new AnalyserNode(this.context, { fftSize: 2048 });
    this.analyser.connect(this.context.destination);
  }
  fail(error) {
    this.pause();
    this.failed(error.message);
  }

  /** The samples of a track from a place on, as an AudioBuffer. */
  async fetch(track, start) {
    const count = Math.min(Math.round(WINDOW_S * this.rate), this.length - start);
    const parameters = new URLSearchParams({ name: this.file.id, track, start, count });
    const answer = await fetch(`/api/window?${parameters}`);
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `status ${answer.status}`);
    const channels = Number(answer.headers.get("X-Channels"));
    const samples = new Float32Array(await answer.arrayBuffer()),
      length = samples.length / channels;
    if (!length) return null;
    const buffer = new AudioBuffer({ numberOfChannels: channels, length, sampleRate: this.rate });
    for (let k = 0; k < channels; k++) buffer.copyToChannel(samples.subarray(k * length, (k + 1) * length), k);
    return buffer;
  }
  /** When a sample plays, in the time of the context. */
  when(sample) {
    return this.started + (sample - this.first) / this.rate;
  }
  /** Lets a buffer play whose first sample is `start`; what lies in the past already is left out. */
  schedule(track, buffer, start, fade = 0) {
    track.next = start + (buffer?.length ?? this.length);
    if (!buffer) return;
    const late = Math.max(0, Math.ceil((this.context.currentTime - this.when(start) + fade) * this.rate));
    if (late >= buffer.length) return;
    const source = new AudioBufferSourceNode(this.context, { buffer }),
      gain = new GainNode(this.context, { gain: fade ? 0 : 1 });
    source.connect(gain).connect(track.output);
    const at = this.when(start + late);
    if (fade) {
      gain.gain.setValueAtTime(0, at);
      gain.gain.linearRampToValueAtTime(1, at + FADE_S);
      for (const old of track.sources) {
        old.gain.gain.setValueAtTime(1, at);
        old.gain.gain.linearRampToValueAtTime(0, at + FADE_S);
        old.source.stop(at + FADE_S);
      }
    }
    source.start(at, late / this.rate);
    track.sources = [...track.sources.filter((old) => old.end > this.context.currentTime), { source, gain, end: this.when(track.next), start }];
  }
  async feed(track, ticket) {
    while (ticket === this.ticket) {
      const { round } = track;
      if (track.next >= this.length) return;
      if (this.when(track.next) - this.context.currentTime > AHEAD_S) {
        await new Promise((done) => setTimeout(done, 150));
        continue;
      }
      const start = track.next;
      try {
        const buffer = await this.fetch(track.name, start);
        if (ticket === this.ticket && round === track.round) this.schedule(track, buffer, start);
      } catch (error) {
        if (ticket === this.ticket) this.fail(error);
        return;
      }
    }
  }
  /** Replaces the samples of a track that are still to come, as its settings have changed. */
  async refresh(name) {
    const track = this.tracks.get(name),
      { ticket } = this;
    if (!this.playing || !track || !this.started) return;
    const round = ++track.round,
      start = Math.min(this.length, this.sample + Math.round(0.1 * this.rate));
    if (start >= this.length) return;
    const buffer = await this.fetch(name, start).catch(() => null);
    if (!buffer || ticket !== this.ticket || round !== track.round) return;
    const ended = track.next >= this.length;
    this.schedule(track, buffer, start, 0.03);
    track.round++; // a window that is on its way is outdated
    if (ended) this.feed(track, ticket);
  }

  stop() {
    for (const track of this.tracks.values()) {
      for (const { source } of track.sources) source.stop();
      track.output.disconnect();
    }
    this.tracks.clear();
  }
  pause() {
    this.place = this.file ? this.sample : 0;
    this.ticket++;
    this.playing = false;
    this.stop();
    this.changed();
  }
  seek(time) {
    const sample = Math.round(Math.min(Math.max(0, time), this.length / this.rate) * this.rate);
    if (this.playing) this.play(sample / this.rate);
    else this.place = sample;
    this.changed();
  }

  /** Root mean square and peak of what leaves now, in dB re full scale. */
  level() {
    if (!this.playing || !this.analyser) return [-Infinity, -Infinity];
    const samples = new Float32Array(this.analyser.fftSize);
    this.analyser.getFloatTimeDomainData(samples);
    let sum = 0,
      peak = 0;
    for (const one of samples) {
      sum += one * one;
      peak = Math.max(peak, Math.abs(one));
    }
    return [10 * Math.log10(sum / samples.length), 20 * Math.log10(peak)];
  }
}
