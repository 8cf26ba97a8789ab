// What plays and is shown in each task: the choices, the tracks with their gains, the lanes, and the buttons.

import { language, t } from "./words.js";

const element = (id) => document.getElementById(id);
const MOST_GAIN = 16;
/** The settings that decide how the denoised recording sounds, apart from its loudness. */
export const SOUNDING = ["model", "strength", "max_suppression_db", "keep_music", "unlink_channels"];
export const soundOf = (settings) => JSON.stringify(SOUNDING.map((name) => settings[name]));
const voicesOf = (n_voices) => Array.from({ length: n_voices }, (_, k) => `voice_${k + 1}`);

/** The choices of what plays in a task; their keys are A, B and D. */
export const earsOf = (task) => ({ denoise: ["before", "after", "removed"], cut: ["original", "result"], separate: ["mixture", "voices"], classify: ["original"] })[task];

/** The tracks that run in step, the gain of each, and their length in samples. page: see page.js. */
export function tracksOf({ state: { file, cuts }, current, ear, voices: { solo, muted } }) {
  const { settings, draft, n_voices, sample_rate: rate, n_samples: length } = file;
  if (current === "denoise") {
    const known = settings.loudness !== null && draft && draft.after_lufs !== null;
    const after = known ? Math.min(MOST_GAIN, 10 ** ((settings.loudness - draft.after_lufs) / 20)) : 1;
    const gains = [
      { before: 1, after: 0 },
      { before: 0, after },
      { before: 1, after: -1 },
    ];
    return { gains: gains[ear], length };
  }
  if (current === "cut" && ear === 1 && cuts) {
    const removed = cuts.reduce((sum, [a, b]) => sum + Math.round(b * rate) - Math.round(a * rate), 0);
    return { gains: { cut: 1 }, length: length - removed };
  }
  if (current === "separate" && n_voices) {
    const names = voicesOf(n_voices);
    const audible = (name) => ear === 1 && (solo ? solo === name : !muted.has(name));
    return { gains: { before: ear === 0 ? 1 : 0, ...Object.fromEntries(names.map((name) => [name, audible(name) ? 1 : 0])) }, length };
  }
  return { gains: { before: 1 }, length };
}

/** The lanes of a task from top to bottom. */
export function lanesOf(task, { n_voices }) {
  const pair = (track, label) => ["wave", "mel"].map((kind) => ({ kind, track, label }));
  const voices = voicesOf(n_voices || 2).flatMap((track, k) => pair(track, t("voice", k + 1)));
  const lanes = {
    denoise: [...pair("before", t("before")), ...pair("after", t("after"))],
    cut: [...pair("before", t("original")), { kind: "strip" }],
    separate: [{ kind: "wave", track: "before", label: t("mixture") }, ...voices],
    classify: [...pair("before", t("original")), { kind: "classes" }],
  };
  return [{ kind: "overview" }, ...lanes[task], { kind: "axis" }];
}

/** The tracks whose pictures are complete, each with what it was made from. */
export function picturesOf({ draft, n_voices, settings }) {
  const after = draft?.share === 1 ? [["after", soundOf(settings)]] : [];
  return [["before", 0], ...after, ...voicesOf(n_voices).map((track) => [track, n_voices])];
}

/** The buttons of what plays, and of the voices. page: see page.js. */
export function earButtons(page) {
  const { state } = page,
    group = element("ears"),
    names = earsOf(page.current),
    marks = ["A", "B", "D"];
  const voices = page.current === "separate" && state.file?.n_voices ? state.file.n_voices : 0;
  const key = JSON.stringify([names, language]);
  if (group.dataset.key !== key) {
    group.dataset.key = key;
    group.replaceChildren(
      ...names.map((name, index) => {
        const button = Object.assign(document.createElement("button"), { type: "button", onclick: () => page.hear(index) });
        button.setAttribute("role", "radio");
        button.setAttribute("aria-keyshortcuts", marks[index].toLowerCase());
        button.append(Object.assign(document.createElement("kbd"), { textContent: marks[index] }), ` ${t(name)}`);
        return button;
      }),
    );
  }
  [...group.children].forEach((button, index) => {
    button.setAttribute("aria-checked", String(index === page.ear));
    button.tabIndex = index === page.ear ? 0 : -1;
  });
  const { solo, muted } = page.voices,
    shown = JSON.stringify([voices, solo, [...muted], language]);
  if (element("voices").dataset.key === shown) return;
  element("voices").dataset.key = shown;
  const toggles = voicesOf(voices).flatMap((name, k) =>
    [
      ["solo", solo === name, () => (page.voices.solo = solo === name ? null : name)],
      ["mute", muted.has(name), () => (muted.has(name) ? muted.delete(name) : muted.add(name))],
    ].map(([word, on, act]) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: t(word, t("voice", k + 1)) });
      button.setAttribute("aria-pressed", String(on));
      button.addEventListener("click", () => {
        act();
        const place = [...element("voices").children].indexOf(button);
        page.ear = 1;
        page.follow();
        element("voices").children[place]?.focus();
      });
      return button;
    }),
  );
  element("voices").replaceChildren(...toggles);
}
