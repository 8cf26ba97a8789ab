// The list of files and the labelling progress.

const element = (id) => document.getElementById(id);

export class FileList {
  /** open: called with the name of the selected file. */
  constructor(open) {
    this.files = [];
    this.rows = new Map();
    element("filter").addEventListener("input", () => this.filter());
    element("filter").addEventListener("keydown", (event) => {
      if (event.key === "Enter") open(this.order().find((file) => this.fits(file))?.name);
      if (event.key === "Enter" || event.key === "Escape") element("timeline").focus();
    });
    element("order").addEventListener("change", () => this.arrange());
    element("files").addEventListener("click", (event) => open(event.target.closest("button")?.dataset.name));
  }
  show(files) {
    this.files = files;
    element("ordering").hidden = !files.some((file) => file.doubt !== null);
    for (const file of files) {
      if (!this.rows.has(file.name)) this.rows.set(file.name, this.row(file));
      this.draw(file);
    }
    this.arrange();
  }
  row({ name }) {
    const row = document.createElement("li"),
      button = Object.assign(document.createElement("button"), { type: "button", title: name });
    button.dataset.name = name;
    for (const kind of ["state", "text", "doubt"])
      button.append(Object.assign(document.createElement("span"), { className: kind }));
    const text = document.createElement("bdi"); // a long path is truncated on the left, so that the name stays visible
    text.textContent = name;
    button.children[1].append(text);
    button.children[0].setAttribute("aria-hidden", "true");
    row.append(button);
    return row;
  }
  draw(file) {
    const row = this.rows.get(file.name),
      button = row.firstChild;
    row.classList.toggle("done", file.labelled);
    button.children[0].textContent = file.labelled ? "✓" : "○";
    button.children[2].textContent = file.doubt !== null && !file.labelled ? `${Math.round(100 * file.doubt)} %` : "";
    button.setAttribute("aria-label", `${file.name}, ${file.labelled ? "labelled" : "not labelled"}`);
    const done = this.files.filter((other) => other.labelled).length;
    element("progress").value = done / this.files.length;
    element("counted").textContent = `${done} of ${this.files.length} labelled`;
  }
  order() {
    if (element("order").value === "name") return this.files;
    return [...this.files].sort((a, b) => a.labelled - b.labelled || (b.doubt ?? 2) - (a.doubt ?? 2));
  }
  arrange() {
    element("files").replaceChildren(...this.order().map((file) => this.rows.get(file.name)));
    this.filter();
  }
  fits({ name }) {
    return name.toLowerCase().includes(element("filter").value.trim().toLowerCase());
  }
  filter() {
    for (const file of this.files) this.rows.get(file.name).hidden = !this.fits(file);
  }
  mark(name, labelled) {
    const file = this.files.find((other) => other.name === name);
    if (!file || file.labelled === labelled) return;
    file.labelled = labelled;
    this.draw(file);
  }
  select(name) {
    for (const [other, row] of this.rows) row.firstChild.setAttribute("aria-current", String(other === name));
    this.rows.get(name)?.scrollIntoView({ block: "nearest" });
  }
  beside(name, by) {
    const shown = this.order().filter((file) => this.fits(file) || file.name === name);
    return shown[shown.findIndex((file) => file.name === name) + by]?.name;
  }
  unlabelled(name) {
    const order = this.order(),
      here = order.findIndex((file) => file.name === name);
    return [...order.slice(here + 1), ...order.slice(0, here + 1)].find((file) => !file.labelled)?.name;
  }
}
