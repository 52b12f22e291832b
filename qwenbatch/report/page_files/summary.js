// The head of the page: counts, money, what went wrong, the last runs.

function notices() {
  const words = [];
  if (head.sandbox) words.push("Made in the sandbox: nothing was really paid, the sums are play money.");
  if (head.running) words.push("A run was going on when this was made: what was in flight counts as pending.");
  if (head.shown < head.total) {
    words.push(`This page holds ${wholeNumber.format(head.shown)} of ${counted(head.total, "item")}: `
      + "first those that are not saved. The counts are of all; `qwenbatch export` has every item.");
  }
  return words.map((text) => element("p", { class: "notice", text }));
}

function proportions() {
  return COUNTED.filter((state) => head.counts[state]).map((state) => {
    const part = element("span", { state });
    part.style.flexGrow = String(head.counts[state]);
    return part;
  });
}

function stateTiles(choose) {
  return COUNTED.map((state) => {
    const number = head.counts[state];
    const tile = element("button", {
      class: "state", type: "button", state, disabled: number === 0, title: head.states[state].means,
      "aria-pressed": "false",
    },
    element("span", { class: "figure", text: wholeNumber.format(number) }),
    element("span", { class: "label" },
      element("span", { class: "dot", "aria-hidden": "true" }), ` ${head.states[state].name}`));
    tile.addEventListener("click", () => choose(state));
    return tile;
  });
}

function sums() {
  const sum = (name, amount, kind = "") =>
    element("div", { class: `sum ${kind}` },
      element("dt", { text: name }),
      element("dd", { class: "figure", text: amount }));
  return [
    sum(head.sandbox ? "spent, in play money" : "spent", head.spent),
    ...(head.exposure ? [sum("perhaps paid", head.exposure, "doubt")] : []),
    ...(head.twice ? [sum("perhaps paid twice", head.twice, "doubt")] : []),
  ];
}

function findings(choose) {
  const ranked = Object.entries(head.failures).sort((a, b) => b[1] - a[1]);
  return ranked.map(([kind, number]) => {
    const words = head.kinds[kind] ?? { name: kind };
    const button = element("button", { class: "finding", type: "button", "aria-pressed": "false" },
      element("span", { class: "figure", text: wholeNumber.format(number) }),
      element("span", { class: "name", text: ` ${words.name} ` }),
      element("span", { class: "means", text: words.means ?? "" }),
      element("span", { class: "advice", text: words.advice ? ` → ${words.advice}` : "" }));
    button.dataset.kind = kind;
    button.addEventListener("click", () => choose(kind));
    return element("li", {}, button);
  });
}

function runRows() {
  return head.runs.map((run) => element("tr", {},
    element("td", {}, momentFact(run.started)),
    element("td", {}, foreign(run.source)),
    element("td", { text: run.seconds === null ? "–" : span(run.seconds) }),
    element("td", { text: run.spent }),
    element("td", { text: run.ended })));
}

function showSummary({ chooseState, chooseKind }) {
  byId("title").textContent = shownName(head.title);
  byId("made").append(counted(head.total, "item"), ", made ", momentFact(head.made));
  byId("notices").append(...notices());
  byId("proportions").append(...proportions());
  byId("states").append(...stateTiles(chooseState));
  byId("money").append(...sums());
  byId("kinds").append(...findings(chooseKind));
  byId("findings").hidden = Object.keys(head.failures).length === 0;
  byId("run-rows").append(...runRows());
  byId("runs").hidden = head.runs.length === 0;
}

function markSummary(query) {
  for (const tile of byId("states").children) {
    tile.setAttribute("aria-pressed", String(query.states.has(tile.dataset.state)));
  }
  for (const button of byId("kinds").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.kind === query.kind));
  }
}
