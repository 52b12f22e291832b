// Auto follows the system; a choice is remembered where the browser lets a page from disk do so.

const THEMES = ["auto", "light", "dark"];
const THEME_KEPT = "qwenbatch-report-theme";

function keptTheme() {
  try {
    return localStorage.getItem(THEME_KEPT);
  } catch {
    return null;
  }
}

function keepTheme(theme) {
  try {
    localStorage.setItem(THEME_KEPT, theme);
  } catch {
    // It holds for this visit then.
  }
}

function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  const name = theme[0].toUpperCase() + theme.slice(1);
  byId("theme-name").textContent = name;
  byId("theme").setAttribute("aria-label", `Colours: ${name}`);
}

function startTheme() {
  let theme = THEMES.includes(keptTheme()) ? keptTheme() : "auto";
  setTheme(theme);
  byId("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    setTheme(theme);
    keepTheme(theme);
  });
}
