// Which items are shown, and in what order: decided from values alone.

const inOrder = new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare;
const byManifest = (a, b) => a.manifest - b.manifest || a.number - b.number;

const SORTS = {
  attention: { name: "Needs attention first", compare: (a, b) => a.rank - b.rank },
  manifest: { name: "As in the manifest", compare: byManifest },
  finished: { name: "Latest first", compare: (a, b) => (a.finished < b.finished) - (a.finished > b.finished) },
  slow: { name: "Slowest first", compare: (a, b) => (b.seconds ?? -1) - (a.seconds ?? -1) },
  cost: { name: "Dearest first", compare: (a, b) => b.cost - a.cost },
  size: { name: "Largest result first", compare: (a, b) => b.after.size - a.after.size },
  path: { name: "By path", compare: (a, b) => inOrder(a.path, b.path) },
  instruction: { name: "By instruction", compare: (a, b) => inOrder(a.instruction, b.instruction) },
};

const everything = () => ({ states: new Set(), kind: "", text: "", sort: "attention", turned: false });

function isNarrowed(query) {
  return query.states.size > 0 || query.kind !== "" || query.text.trim() !== "";
}

function found(all, query) {
  const terms = query.text.normalize("NFC").toLowerCase().split(/\s+/).filter(Boolean);
  const matching = all.filter((item) =>
    (query.states.size === 0 || query.states.has(item.state))
    && (query.kind === "" || item.kind === query.kind)
    && terms.every((term) => haystackOf(item).includes(term)));
  const { compare } = SORTS[query.sort];
  matching.sort((a, b) => compare(a, b) || byManifest(a, b));
  return query.turned ? matching.reverse() : matching;
}
