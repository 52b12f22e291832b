// All that is known of an item, as a list of names and values.

function factValue(value) {
  return value instanceof Node ? value : document.createTextNode(value);
}

function factList(pairs) {
  const list = element("dl");
  for (const [name, value] of pairs) {
    if (value === "" || value === null) continue;
    list.append(element("dt", { text: name }), element("dd", {}, factValue(value)));
  }
  return list;
}

function code(text) {
  return text === "" ? "" : element("code", {}, element("bdi", { dir: "auto", text: shownName(text) }));
}

function pathFact(item) {
  if (!item.link) return code(item.path);
  return element("a", { href: item.link, target: "_blank", rel: "noopener" }, code(item.path));
}

function pictureFact(picture) {
  const words = [];
  if (picture.width) words.push(`${pixels(picture)} px`);
  if (picture.size) words.push(bytes(picture.size));
  if (picture.note) words.push(shown(picture.note));
  return words.join(", ");
}

function costFact(item) {
  if (item.state === "uncertain" && item.cost === 0) return "perhaps paid";
  return item.attempts ? money(item.cost) : "";
}

function momentFact(iso) {
  return iso === "" ? "" : element("time", { dateTime: iso, title: iso, text: moment(iso) });
}

function failureNote(item) {
  if (item.state === "saved") return null;
  const words = head.kinds[item.kind] ?? head.states[item.state];
  const title = item.kind ? words.name : head.states[item.state].name;
  const note = element("div", { class: "failure" },
    element("p", {}, element("strong", { text: title }), `: ${words.means ?? ""}`));
  if (item.reason) {
    const speaker = item.state === "invalid" ? "Why: " : "The gateway said: ";
    note.append(element("p", { class: "said" }, speaker, foreign(item.reason)));
  }
  if (words.advice) note.append(element("p", { text: `What to do: ${words.advice}` }));
  return note;
}

function settingFacts(item) {
  return [
    ["Not wanted", item.negative && foreign(item.negative)],
    ["Watermark", item.watermark ? "yes" : ""],
    ["Take", item.take === 1 ? "" : String(item.take)],
    ["Id", item.id && foreign(item.id)],
  ];
}

function placeInManifest(item) {
  const manifest = head.manifests[item.manifest];
  const line = item.line ? `, line ${wholeNumber.format(item.line)}` : "";
  return element("span", {}, `${wholeNumber.format(item.number)} of `, foreign(manifest), line);
}

function showFacts(box, item) {
  box.dataset.state = item.state;
  box.scrollTop = 0;
  box.replaceChildren(
    badge(item),
    foreign(item.instruction || "no instruction", { class: "words" }),
    failureNote(item) ?? "",
    factList([
      [item.link ? "Result" : "Result’s place", pathFact(item)],
      ["After", pictureFact(item.after)],
      ["Source", code(item.source)],
      ["Before", pictureFact(item.before)],
      ["Cost", costFact(item)],
      ["Took", item.seconds === null ? "" : span(item.seconds)],
      ["Finished", momentFact(item.finished)],
      ["Attempts", item.attempts ? wholeNumber.format(item.attempts) : "none"],
      ["Request id", code(item.request)],
      ...settingFacts(item),
      ["Item", placeInManifest(item)],
      ["Edit key", code(item.key)],
    ]),
  );
  const columns = Object.entries(item.columns);
  if (columns.length) {
    box.append(
      element("h3", { text: "From the manifest" }),
      factList(columns.map(([name, value]) => [shownName(name), foreign(value || "–")])),
    );
  }
}
