// Search, kind of failure, order; and how many items are left.

function kindOptions() {
  const kinds = Object.entries(head.failures).sort((a, b) => b[1] - a[1]);
  return [
    element("option", { value: "", text: kinds.length ? "any" : "none" }),
    ...kinds.map(([kind, number]) => element("option", {
      value: kind,
      text: `${head.kinds[kind]?.name ?? kind} (${wholeNumber.format(number)})`,
    })),
  ];
}

function showToolbar(query, changed) {
  byId("kind").append(...kindOptions());
  byId("kind").disabled = Object.keys(head.failures).length === 0;
  byId("sort").append(...Object.entries(SORTS).map(([value, sort]) =>
    element("option", { value, text: sort.name })));
  byId("search").addEventListener("input", (event) => {
    query.text = event.target.value;
    changed();
  });
  byId("kind").addEventListener("change", (event) => {
    query.kind = event.target.value;
    changed();
  });
  byId("sort").addEventListener("change", (event) => {
    query.sort = event.target.value;
    changed();
  });
  byId("turn").addEventListener("click", () => {
    query.turned = !query.turned;
    changed();
  });
  byId("clear").addEventListener("click", () => {
    Object.assign(query, { states: new Set(), kind: "", text: "" });
    changed();
    byId("search").focus();
  });
}

function markToolbar(query, matching) {
  const search = byId("search");
  if (search.value !== query.text) search.value = query.text;
  byId("kind").value = query.kind;
  byId("sort").value = query.sort;
  byId("turn").setAttribute("aria-pressed", String(query.turned));
  byId("clear").hidden = !isNarrowed(query);
  byId("count").textContent = matching === items.length
    ? counted(items.length, "item")
    : `${wholeNumber.format(matching)} of ${counted(items.length, "item")}`;
  byId("nothing").hidden = matching > 0;
}
