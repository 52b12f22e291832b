// The list of cards: of ten thousand only those exist that are in view, and the active one.

const LEAST_CARD = 300; // pixels of width
const ROWS_BEYOND = 2; // above and below what is in view

class Shelf {
  #list;
  #items = [];
  #cards = new Map(); // place in the list → its element
  #active = 0;
  #columns = 1;
  #card = { width: 0, height: 0 };
  #row = 1;
  #gap = 0;
  #asked = false;

  constructor(list, open) {
    this.#list = list;
    list.addEventListener("click", (event) => {
      const place = this.#placeOf(event.target);
      if (place !== null) open(place);
    });
    list.addEventListener("focusin", (event) => {
      const place = this.#placeOf(event.target);
      if (place !== null) this.#activate(place);
    });
    addEventListener("scroll", () => this.#draw(), { passive: true });
    new ResizeObserver(() => this.#measure()).observe(list);
  }

  get items() {
    return this.#items;
  }

  get active() {
    return this.#active;
  }

  get columns() {
    return this.#columns;
  }

  get rowsInView() {
    return Math.max(1, Math.floor(innerHeight / this.#row));
  }

  // Other items, or another order: it begins at the first, wherever one was before.
  show(items) {
    this.#items = items;
    this.#active = 0;
    this.#list.replaceChildren();
    this.#cards.clear();
    this.#measure();
    const hidden = this.#list.getBoundingClientRect().top - this.#ceiling();
    if (hidden < 0) scrollBy({ top: hidden, behavior: "instant" });
  }

  // Make the item at this place the active one, bring it into view and give it the focus.
  focus(place, { preventScroll = false } = {}) {
    if (!this.#items.length) return;
    this.#activate(Math.min(Math.max(place, 0), this.#items.length - 1));
    if (!preventScroll) this.#bringIntoView(this.#active);
    this.#drawNow();
    this.#cards.get(this.#active)?.firstChild.focus({ preventScroll: true });
  }

  #activate(place) {
    this.#turnTab(this.#active, -1);
    this.#active = place;
    this.#turnTab(place, 0);
  }

  #turnTab(place, index) {
    const card = this.#cards.get(place)?.firstChild;
    if (card) card.tabIndex = index;
  }

  #placeOf(target) {
    const entry = target.closest?.("#shelf > li");
    return entry ? Number(entry.dataset.place) : null;
  }

  #measure() {
    const width = this.#list.clientWidth;
    if (!width) return;
    const style = getComputedStyle(this.#list);
    const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    const lengths = (name) => Number.parseFloat(style.getPropertyValue(name)) * rem;
    this.#gap = lengths("--gap");
    this.#columns = Math.max(1, Math.floor((width + this.#gap) / (LEAST_CARD * (rem / 16) + this.#gap)));
    const card = (width - this.#gap * (this.#columns - 1)) / this.#columns;
    this.#card = { width: card, height: Math.round(card / 2 + lengths("--label")) };
    this.#row = this.#card.height + this.#gap;
    const rows = Math.ceil(this.#items.length / this.#columns);
    this.#list.style.height = `${Math.max(0, rows * this.#row - this.#gap)}px`;
    for (const [place, entry] of this.#cards) this.#position(place, entry);
    this.#drawNow();
  }

  #position(place, entry) {
    const column = place % this.#columns;
    const x = column * (this.#card.width + this.#gap);
    const y = Math.floor(place / this.#columns) * this.#row;
    entry.style.transform = `translate(${x}px, ${y}px)`;
    entry.style.width = `${this.#card.width}px`;
    entry.style.height = `${this.#card.height}px`;
  }

  #draw() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#drawNow();
    });
  }

  #drawNow() {
    const top = -this.#list.getBoundingClientRect().top;
    const firstRow = Math.floor(top / this.#row) - ROWS_BEYOND;
    const lastRow = Math.floor((top + innerHeight) / this.#row) + ROWS_BEYOND;
    const first = Math.max(0, firstRow * this.#columns);
    const last = Math.min(this.#items.length - 1, (lastRow + 1) * this.#columns - 1);
    for (const [place, entry] of this.#cards) {
      if ((place < first || place > last) && place !== this.#active) {
        entry.remove();
        this.#cards.delete(place);
      }
    }
    for (let place = first; place <= last; place += 1) this.#ensure(place);
    if (this.#active < this.#items.length) this.#ensure(this.#active);
  }

  #ensure(place) {
    if (this.#cards.has(place)) return;
    const card = makeCard(this.#items[place]);
    card.tabIndex = place === this.#active ? 0 : -1;
    const entry = element("li", {
      "aria-setsize": String(this.#items.length),
      "aria-posinset": String(place + 1),
    }, card);
    entry.dataset.place = String(place);
    this.#position(place, entry);
    this.#list.insertBefore(entry, this.#following(place));
    this.#cards.set(place, entry);
  }

  // The entry that comes after this place: readers and the Tab key go by the document's order.
  #following(place) {
    for (const entry of this.#list.children) {
      if (Number(entry.dataset.place) > place) return entry;
    }
    return null;
  }

  // How much of the window's top is covered by what stays there.
  #ceiling() {
    const bar = document.querySelector(".toolbar");
    return (getComputedStyle(bar).position === "sticky" ? bar.offsetHeight : 0) + 8;
  }

  #bringIntoView(place) {
    const y = this.#list.getBoundingClientRect().top + Math.floor(place / this.#columns) * this.#row;
    const over = y - this.#ceiling();
    const under = y + this.#card.height + 12 - innerHeight;
    if (over < 0) scrollBy({ top: over, behavior: "instant" });
    else if (under > 0) scrollBy({ top: Math.min(under, over), behavior: "instant" });
  }
}
