// Puts the page together, and hears the keys that hold for all of it.

const query = everything();
const viewer = new Viewer();
const shelf = new Shelf(byId("shelf"), (place) => viewer.open(shelf, place));

function refresh() {
  const matching = found(items, query);
  markSummary(query);
  markToolbar(query, matching.length);
  shelf.show(matching);
}

function chooseState(state) {
  if (!query.states.delete(state)) query.states.add(state);
  refresh();
}

function chooseKind(kind) {
  query.kind = query.kind === kind ? "" : kind;
  refresh();
}

function stepFor(key) {
  const row = shelf.columns;
  const steps = {
    ArrowLeft: -1,
    ArrowRight: 1,
    ArrowUp: -row,
    ArrowDown: row,
    PageUp: -row * shelf.rowsInView,
    PageDown: row * shelf.rowsInView,
    Home: -Infinity,
    End: Infinity,
  };
  return steps[key] ?? 0;
}

function move(event) {
  const onCard = event.target.classList.contains("card");
  const fromNowhere = event.target === document.body || event.target === byId("shelf");
  const step = stepFor(event.key);
  if (step === 0 || !(onCard || (fromNowhere && event.key.startsWith("Arrow")))) return;
  event.preventDefault();
  if (fromNowhere) shelf.focus(shelf.active);
  else shelf.focus(shelf.active + step);
}

function escape() {
  if (query.text) {
    query.text = "";
    refresh();
  } else if (document.activeElement === byId("search")) {
    byId("search").blur();
  } else if (isNarrowed(query)) {
    Object.assign(query, { states: new Set(), kind: "" });
    refresh();
  }
}

addEventListener("keydown", (event) => {
  if (byId("viewer").open || event.altKey || event.ctrlKey || event.metaKey) return;
  const typing = event.target.matches?.("input, select");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    byId("search").focus();
    byId("search").select();
  } else if (event.key === "Escape") {
    escape();
  } else if (!typing) {
    move(event);
  }
});

startTheme();
showSummary({ chooseState, chooseKind });
showToolbar(query, refresh);
refresh();
