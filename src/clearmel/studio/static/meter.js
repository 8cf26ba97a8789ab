// The meter of what leaves the player.

const element = (id) => document.getElementById(id);
const RANGE_DB = 60;
const OVER_DB = -0.1;

/** player: gives the level; the bar shows its root mean square, the mark its peak. */
export function showLevel(player) {
  const [rms, peak] = player.level(),
    part = (db) => Math.max(0, Math.min(1, 1 + db / RANGE_DB));
  const meter = element("level");
  meter.children[0].style.transform = `scaleX(${part(rms)})`;
  meter.children[1].style.left = `${100 * part(peak)}%`;
  meter.classList.toggle("over", peak > OVER_DB);
  if (!player.playing) meter.setAttribute("aria-valuenow", String(-RANGE_DB)); // a screen reader is not flooded
  element("level-text").textContent = player.playing && peak > -99 ? `${peak.toFixed(0).replace("-", "−")} dB` : "";
}
