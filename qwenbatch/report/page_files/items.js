// The data in the page, and what is derived from it.

const { head, items } = JSON.parse(byId("data").textContent);

const COUNTED = ["saved", "failed", "invalid", "uncertain", "lost", "pending"];
const ATTENTION = ["failed", "lost", "uncertain", "invalid", "pending", "saved"];
const NO_PICTURE = { card: "", view: "", width: 0, height: 0, size: 0, note: "" };
const NO_ITEM = {
  instruction: "", negative: "", watermark: false, take: 1, id: "", line: 0, kind: "", reason: "",
  cost: 0, seconds: null, finished: "", request: "", attempts: 0, path: "", link: "", key: "", columns: {},
};

// What was left out as empty is put back, in place: every item then has one shape.
items.forEach((item, index) => {
  items[index] = {
    ...NO_ITEM,
    ...item,
    before: { ...NO_PICTURE, ...item.before },
    after: { ...NO_PICTURE, ...item.after },
    index,
    rank: ATTENTION.indexOf(item.state),
    haystack: null,
  };
});

// Why an item is not saved, in a few words; empty if it is.
function troubleOf(item) {
  if (item.kind) return head.kinds[item.kind]?.means ?? item.kind;
  return item.state === "saved" ? "" : item.reason || head.states[item.state].means;
}

function haystackOf(item) {
  item.haystack ??= [
    item.instruction, item.path, item.source, item.id, item.request, item.state, item.kind,
    item.kind.replaceAll("_", " "), item.reason, item.key, String(item.number),
    ...Object.values(item.columns),
  ].join("\n").normalize("NFC").toLowerCase();
  return item.haystack;
}
