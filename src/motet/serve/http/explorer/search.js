// A field that searches as you type: the ARIA combobox with a list of its own.

import { debounce, h, latest } from "./dom.js";

let fields = 0;

/**
 * @param label Words above the field.
 * @param find `find(text, signal)` resolves to options `{ id, text, note }`.
 * @param choose Called with the option that was taken.
 * @param nothing Words for an answer without options.
 */
export function searchField({ label, placeholder, find, choose, nothing }) {
  const name = `search-${++fields}`;
  const run = latest();
  let options = [];
  let active = -1;
  const input = h("input", {
    id: name, type: "text", role: "combobox", placeholder, autocomplete: "off", spellcheck: "false",
    "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": `${name}-list`, "aria-describedby": `${name}-note`,
  });
  const list = h("ul", { id: `${name}-list`, role: "listbox", "aria-label": label, class: "options", hidden: true });
  const note = h("p", { id: `${name}-note`, class: "note", role: "status" });
  const field = h("div", { class: "search" }, h("label", { for: name }, label), h("div", { class: "box" }, input, list), note);

  function show(open) {
    list.hidden = !open || !options.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    if (list.hidden) mark(-1);
  }

  function mark(index) {
    active = index;
    [...list.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === index)));
    if (index < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", `${name}-${index}`);
      list.children[index].scrollIntoView({ block: "nearest" });
    }
  }

  function take(index) {
    const option = options[index];
    input.value = "";
    options = [];
    show(false);
    note.textContent = "";
    choose(option);
  }

  function draw() {
    list.replaceChildren(
      ...options.map((option, index) =>
        h(
          "li",
          { id: `${name}-${index}`, role: "option", "aria-selected": "false", onpointerdown: (event) => event.preventDefault(), onclick: () => take(index) },
          h("span", {}, option.text),
          option.note && h("span", { class: "faint" }, option.note),
        ),
      ),
    );
    note.textContent = options.length ? "" : nothing;
    show(document.activeElement === input);
  }

  const look = debounce(async () => {
    try {
      const answer = await run((signal) => find(input.value.trim(), signal));
      if (answer === null) return;
      options = answer;
      draw();
    } catch (error) {
      options = [];
      show(false);
      note.textContent = (error.title ?? "") + error.message;
    }
  }, 120);

  function press(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && list.hidden) look();
    else if (step) mark((active + step + options.length + (active < 0 && step < 0 ? 1 : 0)) % options.length);
    else if (event.key === "Enter" && !list.hidden) take(Math.max(active, 0));
    else if (event.key === "Escape" && !list.hidden) show(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  input.addEventListener("input", look);
  input.addEventListener("click", look); // not on focus: a list that opens by itself would cover what is below
  input.addEventListener("blur", () => show(false));
  input.addEventListener("keydown", press);
  return { field, input };
}
