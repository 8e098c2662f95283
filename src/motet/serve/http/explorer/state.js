// What the page shows, kept in the address: copying it shares the view, and Back undoes a step.

const START = { view: "people", user: null, guest: false, k: 10, by: null, asked: "by", with: [], item: null, model: null, beside: null };
const VIEWS = ["people", "map", "model"];
const LENGTHS = [10, 20, 50];

const listeners = [];
let state = read(location.hash);

export const get = () => state;

/** `listener(state, changed)` hears every change; `changed` holds the names of what is new. */
export function subscribe(listener) {
  listeners.push(listener);
}

/** Changes some of the state. With `replace`, Back does not stop at every step of a slider. */
export function set(patch, { replace = false } = {}) {
  const next = { ...state, ...patch };
  const hash = write(next) || "#view=people";
  if (hash !== location.hash) history[replace ? "replaceState" : "pushState"](null, "", hash);
  become(next);
}

function become(next) {
  const changed = Object.keys(START).filter((name) => JSON.stringify(next[name]) !== JSON.stringify(state[name]));
  state = next;
  if (changed.length) listeners.forEach((listener) => listener(state, new Set(changed)));
}

window.addEventListener("popstate", () => become(read(location.hash)));

/** The state as the part of an address after "#"; defaults are left out. */
export function write(state) {
  const pairs = new URLSearchParams();
  for (const name of ["view", "user", "asked", "item", "model", "beside"]) {
    if (state[name] !== null && state[name] !== START[name]) pairs.set(name, state[name]);
  }
  if (state.guest) pairs.set("guest", "1");
  if (state.k !== START.k) pairs.set("k", state.k);
  for (const [task, weight] of Object.entries(state.by ?? {})) pairs.append("by", `${weight}:${task}`);
  for (const item of state.with) pairs.append("with", item);
  const text = pairs.toString();
  return text && `#${text}`;
}

/** The state that an address stands for; what makes no sense there gets its default. */
export function read(hash) {
  const pairs = new URLSearchParams(hash.replace(/^#/, ""));
  const weights = pairs.getAll("by").map((pair) => [pair.slice(pair.indexOf(":") + 1), Number.parseFloat(pair)]);
  const by = Object.fromEntries(weights.filter(([, weight]) => Number.isFinite(weight)));
  const named = Object.fromEntries(["user", "item", "model", "beside"].map((name) => [name, pairs.get(name)]));
  return {
    ...named,
    view: VIEWS.includes(pairs.get("view")) ? pairs.get("view") : START.view,
    guest: pairs.get("guest") === "1" && named.user === null,
    k: LENGTHS.includes(Number(pairs.get("k"))) ? Number(pairs.get("k")) : START.k,
    by: Object.keys(by).length ? by : null,
    asked: pairs.get("asked") === "preference" ? "preference" : "by",
    with: [...new Set(pairs.getAll("with"))],
  };
}
