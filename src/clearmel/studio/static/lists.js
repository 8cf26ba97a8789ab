// The lists on the left: recordings, and the queue with progress, failures and results; and the command to copy.

import { clock } from "./paint.js";
import { t } from "./words.js";

const element = (id) => document.getElementById(id);
const made = (tag, properties = {}, ...children) => {
  const one = Object.assign(document.createElement(tag), properties);
  one.append(...children);
  return one;
};
const ENDED = ["done", "failed", "cancelled"];

/** Replaces the rows of a list only where they have changed, so that the focus stays. */
function keep(list, rows) {
  const old = new Map([...list.children].map((row) => [row.dataset.key, row]));
  const nodes = rows.map(({ key, version, make }) => {
    const before = old.get(key);
    if (before?.dataset.version === version) return before;
    const row = make();
    row.dataset.key = key;
    row.dataset.version = version;
    if (before?.contains(document.activeElement)) {
      const index = [...before.querySelectorAll("button, a")].indexOf(document.activeElement);
      queueMicrotask(() => row.querySelectorAll("button, a")[index]?.focus());
    }
    return row;
  });
  if (nodes.length !== list.children.length || nodes.some((node, index) => node !== list.children[index])) list.replaceChildren(...nodes);
}

/** files: of the state. current: id of the one that is shown. act: { open(id), close(id) }. */
export function showFiles(files, current, act) {
  const rows = files.map((file) => ({
    key: file.id,
    version: [file.id === current, file.name, document.documentElement.lang].join(),
    make() {
      const open = made("button", { type: "button", className: "name", title: file.path, onclick: () => act.open(file.id) });
      open.append(made("span", { className: "text" }, made("bdi", { textContent: file.name })), made("span", { className: "length", textContent: clock(file.duration_s, 0) }));
      open.setAttribute("aria-current", String(file.id === current));
      const close = made("button", { type: "button", className: "plain", textContent: "×", onclick: () => act.close(file.id) });
      close.setAttribute("aria-label", t("close_file", file.name));
      return made("li", {}, open, close);
    },
  }));
  keep(element("files"), rows);
}

/** jobs: of the state. uploads: [{ name, share, stop }]. act: { cancel(id) }. */
export function showJobs(jobs, uploads, paused, act) {
  const rows = [
    ...uploads.map((one) => ({ key: `u${one.number}`, name: one.name, state: "uploading", share: one.share, outputs: [], message: "", end: one.stop })),
    ...jobs.map((job) => ({ ...job, key: job.id, name: `${t(`task_${job.task}`)}: ${job.names.join(", ")}`, end: () => act.cancel(job.id) })),
  ].reverse();
  keep(
    element("jobs"),
    rows.map((job) => ({
      key: job.key,
      version: [job.state, Math.round(job.share * 100), job.message, paused, document.documentElement.lang].join("|"),
      make: () => row(job, paused),
    })),
  );
  if (!rows.length) element("jobs").replaceChildren(made("li", { className: "none", textContent: t("queue_empty") }));
  const open = jobs.some((job) => !ENDED.includes(job.state));
  element("pause").hidden = !open && !paused;
  element("pause").textContent = t(paused ? "resume" : "pause");
}

function row(job, paused) {
  const state = t(paused && job.state === "running" ? "paused" : job.state);
  const end = made("button", { type: "button", className: "plain", textContent: "×", onclick: job.end });
  end.setAttribute("aria-label", t(ENDED.includes(job.state) ? "remove_row" : "cancel", job.name));
  const head = made("div", { className: "head" }, made("span", { className: "text", textContent: job.name, title: job.name }), end);
  const item = made("li", { className: job.state }, head);
  if (["running", "uploading"].includes(job.state)) {
    const bar = made("progress", { max: 1, value: job.share });
    bar.setAttribute("aria-label", job.name);
    item.append(bar);
  }
  const percent = ["running", "uploading"].includes(job.state) ? ` ${Math.round(100 * job.share)} %` : "";
  item.append(made("p", { className: "state", textContent: `${state}${percent}${job.message ? `: ${job.message}` : ""}` }));
  job.outputs.forEach((path, number) => {
    const link = made("a", { href: `/api/result/${job.id}/${number}`, textContent: path.split(/[\\/]/).at(-1), title: path });
    link.download = "";
    item.append(link);
  });
  return item;
}

/** Shows a command whose flags do not break at their hyphens. */
export function showCommand(text) {
  const code = element("command").firstElementChild;
  if (code.textContent === text) return;
  const parts = text.split(/(--\w+)/).map((part) => (part.startsWith("--") ? Object.assign(document.createElement("span"), { textContent: part }) : part));
  code.replaceChildren(...parts);
}
