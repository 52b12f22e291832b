// Figures and texts as people read them.

const wholeNumber = new Intl.NumberFormat("en-US");
const dollarAmount = new Intl.NumberFormat("en-US", {
  style: "currency",
  currency: "USD",
  minimumFractionDigits: 2,
  maximumFractionDigits: 6,
});
const dayAndTime = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

function counted(number, noun) {
  return `${wholeNumber.format(number)} ${noun}${number === 1 ? "" : "s"}`;
}

function money(usd) {
  return dollarAmount.format(usd);
}

function bytes(size) {
  if (size < 1000) return `${size} bytes`;
  const units = ["kB", "MB", "GB"];
  let unit = -1;
  for (; size >= 999.5 && unit < units.length - 1; unit += 1) size /= 1000;
  return `${size < 9.95 ? size.toFixed(1) : size.toFixed(0)} ${units[unit]}`;
}

function pixels(picture) {
  return `${picture.width}×${picture.height}`;
}

function span(seconds) {
  if (seconds < 90) return `${seconds < 9.95 ? seconds.toFixed(1) : seconds.toFixed(0)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

function moment(iso) {
  return dayAndTime.format(new Date(iso));
}

// Characters that would be obeyed instead of shown: controls, and those that turn the direction.
const unseen = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

function shown(text) {
  return text.replace(unseen, (char) => `⟨U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

// A name stands on one line, whatever is in it.
function shownName(text) {
  return shown(text.replaceAll("\n", "↵").replaceAll("\t", "⇥"));
}
