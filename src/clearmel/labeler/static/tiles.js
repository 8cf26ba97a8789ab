// Tiles of waveform and spectrogram, fetched when they are drawn; those used last are kept.

const KEPT = 240;
const AGAIN_MS = 700;

export class Tiles {
  /** changed: called when something new can be drawn. */
  constructor(file, changed) {
    this.file = file;
    this.changed = changed;
    this.share = 0;
    this.peak = 0;
    this.failure = "";
    this.round = 0; // tiles of an earlier one are shown until the new ones are there
    this.tiles = new Map();
    this.stop = new AbortController();
    this.nonce = Math.random().toString(36).slice(2);
    this.watch();
  }
  close() {
    this.stop.abort();
  }

  async watch() {
    while (!this.stop.signal.aborted) {
      try {
        const answer = await fetch(`/api/progress?${new URLSearchParams({ name: this.file.name })}`, {
          signal: this.stop.signal,
        });
        Object.assign(this, await answer.json());
      } catch {
        /* the server is away, or the file is closed */
      }
      this.round++;
      this.changed();
      if (this.share === 1 || this.failure) return;
      await new Promise((done) => setTimeout(done, AGAIN_MS));
    }
  }

  /** The tile, or what there is of it; undefined where nothing is there yet. */
  get(kind, level, index) {
    const key = `${kind}/${level}/${index}`;
    let tile = this.tiles.get(key);
    if (tile) this.tiles.delete(key);
    else tile = { round: -1, data: undefined, loading: false };
    this.tiles.set(key, tile); // the one used last stands last
    if (tile.round < this.round && !tile.loading) this.load(tile, kind, key);
    if (this.tiles.size > KEPT) this.tiles.delete(this.tiles.keys().next().value);
    return tile.data;
  }

  async load(tile, kind, key) {
    tile.loading = true;
    tile.round = this.round;
    const parameters = { name: this.file.name };
    if (this.share === 1) parameters.v = this.nonce;
    try {
      const answer = await fetch(`/api/tile/${key}?${new URLSearchParams(parameters)}`, { signal: this.stop.signal });
      if (answer.status === 200) {
        tile.data =
          kind === "mel" ? await createImageBitmap(await answer.blob()) : new Int16Array(await answer.arrayBuffer());
        this.changed();
      }
    } catch {
      /* drawn when it is asked for again */
    } finally {
      tile.loading = false;
    }
  }
}
