// The settings of the shown recording: fields that follow the server's state, presets, and lines about results.

import { clock } from "./paint.js";
import { colourOf } from "./view.js";
import { t } from "./words.js";

const element = (id) => document.getElementById(id);
const FORMS = ["json", "csv", "txt", "edl", "fcpxml", "otio"];
const RATES = ["23.976", "24", "25", "29.97", "30", "50", "59.94", "60"];
const PRESET_FIELDS = ["strength", "max_suppression_db", "loudness"];

const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });
const box = (text, checked, changed) => {
  const label = document.createElement("label"),
    input = Object.assign(document.createElement("input"), { type: "checkbox", checked });
  label.className = "check";
  input.addEventListener("change", () => changed(input.checked));
  label.append(input, Object.assign(document.createElement("span"), { textContent: text }));
  return label;
};

export class Panels {
  /** page: see page.js; its `set(changes)` changes settings. choices: of /api/choices. */
  constructor(page, choices) {
    Object.assign(this, { page, choices });
    for (const name of choices.denoisers) element("model").append(option(name, name));
    for (const name of choices.classifiers) element("classifier").append(option(name, name));
    for (const rate of RATES) document.querySelector("[data-setting=fps]").append(option(rate, rate));
    for (const field of document.querySelectorAll("[data-setting]")) {
      field.addEventListener(field.type === "range" ? "input" : "change", () => this.changed(field));
    }
    element("preset").addEventListener("change", (event) => {
      if (event.target.value) page.set(this.choices.presets[event.target.value]);
    });
    element("sound").addEventListener("change", (event) => page.set({ timeline_only: !event.target.checked }));
    this.translate();
  }
  translate() {
    element("preset").replaceChildren(option("", t("preset_own")), ...Object.keys(this.choices.presets).map((name) => option(name, t(`preset_${name}`))));
    for (const list of document.querySelectorAll(".loudness"))
      list.replaceChildren(option("", t("loudness_keep")), option("-16", t("loudness_podcast")), option("-23", t("loudness_broadcast")), ...[-14, -18, -20].map((value) => option(value, `${value} LUFS`)));
    this.shown = null;
    if (this.page.state.file) this.show(this.page.state.file);
  }
  changed(field) {
    let value = field.type === "checkbox" ? field.checked : field.value;
    if (["range", "number"].includes(field.type) || field.dataset.setting === "loudness") value = value === "" ? null : Number(value);
    if (!field.checkValidity()) return;
    this.page.set({ [field.dataset.setting]: value });
  }
  /** Shows the settings of a recording, except in the field that is being changed. */
  show(file) {
    const { settings } = file,
      version = JSON.stringify(settings) + file.id;
    if (version !== this.shown) {
      this.shown = version;
      for (const field of document.querySelectorAll("[data-setting]")) {
        const value = settings[field.dataset.setting];
        if (field.type === "checkbox") field.checked = value;
        else if (!(field === document.activeElement && ["range", "number"].includes(field.type))) {
          if (field.matches("select") && value !== null && ![...field.options].some((one) => one.value === String(value))) field.append(option(value, value));
          field.value = value ?? "";
        }
      }
      const same = ([, flags]) => PRESET_FIELDS.every((name) => flags[name] === settings[name]);
      element("preset").value = Object.entries(this.choices.presets).find(same)?.[0] ?? "";
      element("sound").checked = !settings.timeline_only;
      const forms = FORMS.map((form) => box(form, settings.timelines.includes(form), (on) => this.page.set({ timelines: FORMS.filter((one) => (one === form ? on : settings.timelines.includes(one))) })));
      if (!element("forms").contains(document.activeElement)) element("forms").replaceChildren(...forms);
      else forms.forEach((label, k) => element("forms").children[k].replaceWith(label));
    }
    element("strength-text").textContent = `${Math.round(100 * settings.strength)} %`;
    element("cut-strength-text").textContent = settings.cut_strength.toFixed(2);
    element("marked").hidden = !file.marked;
    element("cut-strength").disabled = file.marked && settings.by_hand;
    this.alike(file);
    this.lines(file);
  }
  /** Other recordings of the same rate and length, which can be cut alike. */
  alike(file) {
    const others = this.page.files.filter((one) => one.id !== file.id && one.sample_rate === file.sample_rate && one.n_samples === file.n_samples);
    const version = JSON.stringify([others.map((one) => one.id), file.settings.together, file.id]);
    element("together").hidden = !others.length;
    if (version === this.others) return;
    this.others = version;
    const { together } = file.settings;
    const boxes = others.map((one) => box(one.name, together.includes(one.id), (on) => this.page.set({ together: on ? [...together, one.id] : together.filter((id) => id !== one.id) })));
    element("together").replaceChildren(element("together").firstElementChild, ...boxes);
  }
  lines(file) {
    const { draft, settings } = file,
      { cuts, classes, labels } = this.page.state;
    const known = draft && draft.before_lufs !== null && draft.after_lufs !== null,
      minus = (value) => value.toFixed(1).replace("-", "−");
    let text = known ? t("measured", minus(draft.before_lufs), minus(draft.after_lufs)) : "";
    if (known && settings.loudness !== null) text += t("measured_target", minus(settings.loudness));
    if (draft && !draft.failure && draft.share < 1) {
      text = t("drawing", Math.floor(100 * draft.share));
      if (settings.keep_music) text += t("music_later");
    }
    this.line("measured", text || " ");
    const kept = cuts && file.duration_s - cuts.reduce((sum, [a, b]) => sum + b - a, 0);
    const unsure = cuts && file.unsure_db !== null ? t("unsure", Math.round(file.unsure_db)) : "";
    this.line("cut-summary", cuts ? t("cut_found", clock(kept), clock(file.duration_s), cuts.length) + unsure : t("cut_unknown"));
    this.line("class-summary", file.label ? t("class_found", file.label) : " ");
    const shown = [...new Set((classes ?? []).map((row) => row.label))];
    const key = shown.join();
    if (element("legend").dataset.key === key) return;
    element("legend").dataset.key = key;
    element("legend").replaceChildren(
      ...shown.map((label) => {
        const one = Object.assign(document.createElement("span"), { className: "class", textContent: label });
        one.style.setProperty("--class", colourOf(labels.indexOf(label)));
        return one;
      }),
    );
  }
  line(id, text) {
    if (element(id).textContent !== text) element(id).textContent = text;
  }
}
