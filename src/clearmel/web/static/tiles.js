// Tiles of waveform and spectrogram, fetched when drawn; the tiles used last are cached.

const N_CACHED = 240;
const POLL_MS = 700;

export class Tiles {
  /** parameters: name the recording to the server. changed: called when new tiles can be drawn. */
  constructor(parameters, changed) {
    this.parameters = parameters;
    this.changed = changed;
    this.share = 0;
    this.peak = 0;
    this.failure = "";
    this.round = 0; // tiles of an earlier round are shown until the new ones are loaded
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
        const answer = await fetch(`/api/progress?${new URLSearchParams(this.parameters)}`, {
          signal: this.stop.signal,
        });
        Object.assign(this, await answer.json());
      } catch {
        /* the server is not reachable, or the file is closed */
      }
      this.round++;
      this.changed();
      if (this.share === 1 || this.failure) return;
      await new Promise((done) => setTimeout(done, POLL_MS));
    }
  }

  /** The tile, possibly incomplete; undefined if it is not loaded yet. */
  get(kind, level, index) {
    const key = `${kind}/${level}/${index}`;
    let tile = this.tiles.get(key);
    if (tile) this.tiles.delete(key);
    else tile = { round: -1, data: undefined, loading: false };
    this.tiles.set(key, tile); // the most recently used tile is last
    if (tile.round < this.round && !tile.loading) this.load(tile, kind, key);
    if (this.tiles.size > N_CACHED) this.tiles.delete(this.tiles.keys().next().value);
    return tile.data;
  }

  async load(tile, kind, key) {
    tile.loading = true;
    tile.round = this.round;
    const parameters = { ...this.parameters };
    if (this.share === 1) parameters.v = this.nonce;
    try {
      const answer = await fetch(`/api/tile/${key}?${new URLSearchParams(parameters)}`, { signal: this.stop.signal });
      if (answer.status === 200) {
        tile.data =
          kind === "mel" ? await createImageBitmap(await answer.blob()) : new Int16Array(await answer.arrayBuffer());
        this.changed();
      }
    } catch {
      /* the next request loads it again */
    } finally {
      tile.loading = false;
    }
  }
}
