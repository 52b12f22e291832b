// Two pictures, one over the other, and a handle that moves the border between them.

const STEP = 2; // percent, a key's press
const LEAP = 10;
const ALMOST_THE_SAME = 0.04; // of width to height: results are rounded to whole blocks

class Comparison {
  #box;
  #handle = null;
  #at = 50;
  #paired = false;

  constructor(box) {
    this.#box = box;
    box.addEventListener("pointerdown", (event) => this.#grab(event));
    box.addEventListener("pointermove", (event) => this.#drag(event));
  }

  get isPaired() {
    return this.#paired;
  }

  show(item, paired) {
    this.#paired = paired;
    this.#handle = null;
    this.#box.replaceChildren();
    this.#box.removeAttribute("style");
    this.#box.dataset.state = item.state;
    if (!item.before.view || !item.after.view) this.#layOut(item, "alone");
    else if (paired) this.#layOut(item, "paired");
    else this.#overlay(item);
  }

  #overlay(item) {
    const ratio = this.#ratio(item);
    this.#box.className = `comparison sliding${this.#isAligned(item) ? " aligned" : ""}`;
    this.#box.style.setProperty("--ratio", String(ratio));
    this.#handle = this.#makeHandle();
    this.#box.append(
      this.#picture(item, "before"),
      this.#picture(item, "after"),
      this.#tag("before"),
      this.#tag("after"),
      this.#handle,
    );
    this.#moveTo(50);
  }

  #layOut(item, how) {
    this.#box.className = `comparison ${how}`;
    for (const side of ["before", "after"]) {
      const half = element("div", { class: "half" });
      half.append(item[side].view ? this.#picture(item, side) : whyNot(item, side), this.#tag(side));
      this.#box.append(half);
    }
  }

  #ratio(item) {
    const { width, height } = item.after.width ? item.after : item.before;
    return width && height ? width / height : 1;
  }

  #isAligned(item) {
    const { before } = item;
    if (!before.width || !item.after.width) return false;
    return Math.abs(before.width / before.height / this.#ratio(item) - 1) < ALMOST_THE_SAME;
  }

  #picture(item, side) {
    const image = pictureElement(item[side].view, side === "before" ? "Before" : "After", {
      class: `picture ${side}${this.#isAligned(item) && !this.#paired ? " checked" : ""}`,
    });
    image.addEventListener("error", () => {
      image.replaceWith(element("span", { class: "why", text: "its copy is not beside this page" }));
    });
    return image;
  }

  #tag(side) {
    return element("span", {
      class: `tag of-${side}`, text: side === "before" ? "Before" : "After", "aria-hidden": "true",
    });
  }

  #makeHandle() {
    const arrows = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    arrows.setAttribute("viewBox", "0 0 20 20");
    arrows.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", "M7 5.5 2.5 10 7 14.5M13 5.5l4.5 4.5-4.5 4.5");
    for (const [name, value] of [["fill", "none"], ["stroke", "currentColor"], ["stroke-width", "1.8"]]) {
      path.setAttribute(name, value);
    }
    arrows.append(path);
    const handle = element("div", {
      class: "handle",
      role: "slider",
      tabIndex: 0,
      "aria-label": "Border between before and after",
      "aria-orientation": "horizontal",
      "aria-valuemin": "0",
      "aria-valuemax": "100",
    }, element("span", { class: "knob" }, arrows));
    handle.addEventListener("keydown", (event) => this.#press(event));
    return handle;
  }

  #moveTo(percent) {
    this.#at = Math.min(100, Math.max(0, percent));
    this.#box.style.setProperty("--at", `${this.#at}%`);
    const whole = Math.round(this.#at);
    this.#handle.setAttribute("aria-valuenow", String(whole));
    this.#handle.setAttribute("aria-valuetext", `${whole}% before, ${100 - whole}% after`);
  }

  #press(event) {
    const leap = event.shiftKey ? LEAP : STEP;
    const places = {
      ArrowLeft: this.#at - leap,
      ArrowDown: this.#at - leap,
      ArrowRight: this.#at + leap,
      ArrowUp: this.#at + leap,
      PageDown: this.#at - LEAP,
      PageUp: this.#at + LEAP,
      Home: 0,
      End: 100,
    };
    if (!(event.key in places) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation(); // or the arrow would go to the next item
    this.#moveTo(places[event.key]);
  }

  #grab(event) {
    if (!this.#handle || event.button !== 0) return;
    // The focus stays where it is: the arrow keys go on to the next item after a drag.
    event.preventDefault();
    this.#box.setPointerCapture(event.pointerId);
    this.#follow(event);
  }

  #drag(event) {
    if (this.#handle && this.#box.hasPointerCapture(event.pointerId)) this.#follow(event);
  }

  #follow(event) {
    const { left, width } = this.#box.getBoundingClientRect();
    this.#moveTo(((event.clientX - left) / width) * 100);
  }
}
