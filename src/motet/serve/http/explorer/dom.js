// Elements, words and waiting. Text only ever becomes a text node, so that no title can become markup.

/**
 * An element. Keys that start with "on" are listeners, "class" and "dataset" are what they say, `true` is an attribute without a value,
 * everything else is an attribute; null and false leave it out.
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Has screen readers say a message, even if it is the same as the last one. */
export function announce(message) {
  const live = document.getElementById("live");
  live.textContent = "";
  requestAnimationFrame(() => (live.textContent = message));
}

/** Calls `run` once, `ms` after the last call. */
export function debounce(run, ms) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...args), ms);
  };
}

/** Of several overlapping jobs only the last counts: earlier ones are aborted and resolve to null. */
export function latest() {
  let controller = null;
  return async (run) => {
    controller?.abort();
    const mine = (controller = new AbortController());
    try {
      const answer = await run(mine.signal);
      return mine.signal.aborted ? null : answer;
    } catch (error) {
      if (mine.signal.aborted) return null;
      throw error;
    }
  };
}

/** A box that says what failed, with a button to try again. */
export function failure(error, retry) {
  return h(
    "div",
    { class: "notice bad", role: "alert" },
    h("p", {}, h("strong", {}, error.title ?? "That failed. "), error.message),
    retry && h("button", { type: "button", onclick: retry }, "Try again"),
  );
}

export function empty(...words) {
  return h("p", { class: "empty" }, ...words);
}

/** Grey lines in place of an answer to come; hidden from screen readers, which get aria-busy. */
export function skeleton(lines) {
  return h("div", { class: "skeleton", "aria-hidden": "true" }, Array.from({ length: lines }, () => h("span")));
}

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
