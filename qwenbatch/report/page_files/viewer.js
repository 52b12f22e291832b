// One item in full. The dialog keeps the focus in it and closes with Esc by itself.

class Viewer {
  #dialog = byId("viewer");
  #comparison = new Comparison(byId("comparison"));
  #shelf = null;
  #place = 0;

  constructor() {
    byId("previous").addEventListener("click", () => this.#step(-1));
    byId("next").addEventListener("click", () => this.#step(1));
    byId("close").addEventListener("click", () => this.#dialog.close());
    byId("mode").addEventListener("click", () => this.#turnMode());
    this.#dialog.addEventListener("keydown", (event) => this.#press(event));
    this.#dialog.addEventListener("close", () => this.#shelf.focus(this.#place));
  }

  open(shelf, place) {
    this.#shelf = shelf;
    this.#show(place);
    this.#dialog.showModal();
    byId("viewer-name").focus();
  }

  #show(place) {
    this.#place = place;
    const { items } = this.#shelf;
    const item = items[place];
    const total = wholeNumber.format(items.length);
    byId("viewer-place").textContent = `${wholeNumber.format(place + 1)} of ${total}`;
    byId("previous").disabled = place === 0;
    byId("next").disabled = place === items.length - 1;
    byId("mode").hidden = !item.before.view || !item.after.view;
    this.#comparison.show(item, this.#comparison.isPaired);
    showFacts(byId("facts"), item);
    this.#dialog.scrollTop = 0;
    this.#prepare(items[place + 1]);
  }

  // The next pictures are decoded while this one is looked at.
  #prepare(item) {
    for (const side of ["before", "after"]) {
      if (item?.[side].view) new Image().src = item[side].view;
    }
  }

  #step(by) {
    const place = this.#place + by;
    if (place < 0 || place >= this.#shelf.items.length) return;
    this.#show(place);
    // A button that has just been switched off, or a slider that is gone, cannot keep the focus.
    if (!this.#dialog.contains(document.activeElement) || document.activeElement.disabled) {
      byId("viewer-name").focus();
    }
  }

  #turnMode() {
    const paired = !this.#comparison.isPaired;
    byId("mode").setAttribute("aria-pressed", String(paired));
    this.#comparison.show(this.#shelf.items[this.#place], paired);
  }

  #press(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowLeft") this.#step(-1);
    else if (event.key === "ArrowRight") this.#step(1);
    else if (event.key === "Home" && event.target === byId("viewer-name")) this.#show(0);
    else return;
    event.preventDefault();
  }
}
