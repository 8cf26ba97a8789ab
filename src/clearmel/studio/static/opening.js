// Opens recordings: dropped and chosen files are copied in a stream, a path is opened in place.

import { upload } from "./state.js";

const element = (id) => document.getElementById(id);

/** The copies on their way: [{ number, name, share, stop }]. */
export const copies = [];

/** page: see page.js. trouble: called with a message. */
export function listen(page, trouble) {
  async function add(files) {
    for (const file of files) {
      const stop = new AbortController();
      const one = { number: Math.random().toString(36).slice(2), name: file.name, share: 0, stop: () => stop.abort() };
      copies.push(one);
      page.lists();
      const progress = (share) => {
        one.share = share;
        page.lists();
      };
      try {
        page.show((await upload(file, progress, stop.signal)).names[0]);
      } catch (error) {
        trouble(`${file.name}: ${error.message}`);
      }
      copies.splice(copies.indexOf(one), 1);
      page.lists();
    }
  }
  element("chosen").addEventListener("change", (event) => {
    add([...event.target.files]);
    event.target.value = "";
  });
  element("open").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      page.show((await page.shared.send("/api/open", { path: element("path").value })).names[0]);
      element("path").value = "";
      trouble("");
    } catch (error) {
      trouble(error.message);
    }
  });
  const files = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    event.preventDefault();
    if (files(event)) element("drop").hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) element("drop").hidden = true;
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    element("drop").hidden = true;
    if (files(event)) add([...event.dataTransfer.files]);
  });
  addEventListener("beforeunload", (event) => {
    if (copies.length) event.preventDefault(); // only a copy on its way needs this tab
  });
}
