// An item in the list: both pictures, what was asked, how it went.

function badge(item) {
  return element("span", { class: "badge" },
    element("span", { class: "dot", "aria-hidden": "true" }),
    head.states[item.state].name);
}

function whyNot(item, side) {
  if (side === "after" && !item.after.note) {
    return element("span", { class: "why state-words", text: shown(troubleOf(item)) });
  }
  return element("span", { class: "why", text: shown(item[side].note) });
}

function pane(item, side) {
  const picture = item[side];
  const made = element("span", { class: `pane of-${side}` });
  if (!picture.card) {
    made.append(whyNot(item, side));
    return made;
  }
  const image = pictureElement(picture.card, side === "before" ? "Before" : "After", { loading: "lazy" });
  image.addEventListener("error", () => {
    image.replaceWith(element("span", { class: "why", text: "its copy is not beside this page" }));
  });
  made.append(image);
  return made;
}

function sizeWords(item) {
  const words = [];
  if (item.after.width) words.push(pixels(item.after));
  if (item.after.size) words.push(bytes(item.after.size));
  return words.join(" · ");
}

function priceWords(item) {
  const words = [];
  if (item.cost) words.push(money(item.cost));
  if (item.seconds !== null) words.push(span(item.seconds));
  return words.join(" · ");
}

function makeCard(item) {
  return element("button", { class: "card", type: "button", state: item.state, tabIndex: -1 },
    element("span", { class: "panes" }, pane(item, "before"), pane(item, "after")),
    element("span", { class: "caption" },
      foreign(item.instruction || "no instruction", { class: "instruction" }),
      element("span", { class: "line" }, badge(item), element("span", { text: sizeWords(item) })),
      element("span", { class: "line" },
        element("bdi", { dir: "auto", text: shownName(item.path || item.source) }),
        element("span", { text: priceWords(item) }))));
}
