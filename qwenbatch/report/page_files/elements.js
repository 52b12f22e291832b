// The only way in which the page makes elements: texts are set as text, never parsed.

const byId = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") made.className = value;
    else if (name === "text") made.textContent = value;
    else if (name === "state") made.dataset.state = value;
    else if (name.includes("-") || name === "role") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

// Text from outside: it keeps its own direction, and turns nobody else's.
function foreign(text, properties = {}) {
  return element("bdi", { dir: "auto", text: shown(text), ...properties });
}

function pictureElement(address, description, properties = {}) {
  return element("img", { alt: description, decoding: "async", draggable: false, ...properties, src: address });
}
