// Starts the page: asks the service for its model, builds the views, and keeps them in step with the address.

import * as api from "./api.js";
import * as catalogue from "./catalogue.js";
import { announce, failure, h, skeleton } from "./dom.js";
import { itemDialog } from "./item.js";
import { mapView } from "./map.js";
import { modelView } from "./model.js";
import { people } from "./people.js";
import * as state from "./state.js";

const main = document.getElementById("main");

async function start() {
  main.replaceChildren(skeleton(10));
  main.setAttribute("aria-busy", "true");
  try {
    const [model, items, users] = await Promise.all([api.model(), api.items({ limit: 1 }), api.users({ limit: 6 })]);
    catalogue.learn(items);
    document.getElementById("version").textContent = `${model.name} ${model.version ?? ""}`;
    build(model, users);
  } catch (error) {
    main.replaceChildren(failure(error, start));
  }
  main.removeAttribute("aria-busy");
}

function build(model, users) {
  const views = { people: people(model, users), map: mapView(), model: modelView(model) };
  const item = itemDialog();
  const everything = new Set(Object.keys(state.get()));
  let shown = null;

  function refresh(current, changed) {
    const view = views[current.view];
    if (shown !== view) {
      main.replaceChildren(view.view);
      for (const link of document.querySelectorAll("[data-view]")) mark(link, current.view);
    }
    // A view that was hidden has missed the changes since.
    view.refresh(current, shown === view ? changed : everything);
    shown = view;
    document.title = `${titles[current.view](current)} · motet explorer`;
    if (changed.has("item")) item.show(current);
  }
  state.subscribe(refresh);
  refresh(state.get(), everything);
  keys(views.people.search);
  window.addEventListener("motet-theme", () => views.map.repaint());
}

const titles = {
  people: ({ user, guest }) => (user !== null ? `User ${user}` : guest ? "New visitor" : "People"),
  map: () => "Map",
  model: () => "Model",
};

function mark(link, view) {
  if (link.dataset.view === view) link.setAttribute("aria-current", "page");
  else link.removeAttribute("aria-current");
}

/** "/" moves to the search field, unless somebody is typing. */
function keys(search) {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (event.target.matches("input:not([type=range]):not([type=radio]), textarea, select")) return;
    event.preventDefault();
    state.set({ view: "people" });
    search.focus();
  });
}

function chrome() {
  document.getElementById("views").addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    state.set({ view: link.dataset.view });
  });
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  document.getElementById("copy").addEventListener("click", copy);
  theme(document.getElementById("theme"));
}

async function copy({ currentTarget: button }) {
  try {
    await navigator.clipboard.writeText(location.href);
    button.textContent = "Copied";
    announce("Link copied");
  } catch {
    button.textContent = "See the address bar";
  }
  setTimeout(() => (button.textContent = "Copy link"), 2000);
}

function theme(button) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const show = () => {
    button.setAttribute("aria-pressed", String(dark()));
    window.dispatchEvent(new Event("motet-theme"));
  };
  button.addEventListener("click", () => {
    const next = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("motet-theme", next);
    } catch {
      // Storage is disabled: the choice lasts as long as the page.
    }
    show();
  });
  system.addEventListener("change", show);
  show();
}

let asking = null;

/** Opens one dialog, even if several requests get 401 at once. */
function askForToken(why) {
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById("token");
    const input = h("input", { id: "token-input", type: "password", autocomplete: "off", required: true });
    const form = h(
      "form",
      { onsubmit: (event) => { event.preventDefault(); dialog.close(); asking = null; resolve(input.value.trim()); } },
      h("h2", { id: "token-title" }, "This service requires a token"),
      h("p", { class: "note" }, why, "The token stays in this tab and is sent only to this service."),
      h("label", { for: "token-input" }, "Token"),
      input,
      h("div", { class: "tools" }, h("button", { class: "main" }, "Continue")),
    );
    dialog.replaceChildren(form);
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.showModal();
  });
  return asking;
}

api.onTokenWanted(askForToken);
chrome();
start();
