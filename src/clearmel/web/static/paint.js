// Formats times and cuts, and draws removed parts.

export function clock(time, digits = 2) {
  const rounded = Math.max(0, Number(time.toFixed(digits))),
    hours = Math.floor(rounded / 3600);
  const minutes = Math.floor(rounded / 60) % 60,
    seconds = (rounded % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}

export const counted = (spans) => `${spans.length} ${spans.length === 1 ? "cut" : "cuts"}`;

/** Diagonal lines in a frame, so that removed parts are recognisable without colour. */
export function hatch(context, left, top, width, height, ratio, colour) {
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  context.strokeStyle = colour;
  context.globalAlpha = 0.55;
  context.lineWidth = 1.5 * ratio;
  context.beginPath();
  const step = 8 * ratio;
  for (let place = Math.floor((left - height) / step) * step; place < left + width; place += step) {
    context.moveTo(place, top + height);
    context.lineTo(place + height, top);
  }
  context.stroke();
  context.globalAlpha = 1;
  context.lineWidth = 2 * ratio;
  context.strokeRect(left, top + ratio, width, height - 2 * ratio);
  context.restore();
}
