// Requests to the service: the one place that knows its routes, the token and the form of its errors.

const TOKEN = "motet-token";
let askForToken = null;

/** An answer with an error status; `field` names the part of the request that was wrong. */
export class ServiceError extends Error {
  constructor(status, { message, code, field } = {}) {
    super(message ?? `The service answered ${status}.`);
    Object.assign(this, { status, code, field });
    if (status === 503) this.title = "The service is busy. ";
  }
}

/** `ask(why)` resolves to a token; it is called when the service requires one, or another one. */
export function onTokenWanted(ask) {
  askForToken = ask;
}

export const token = () => sessionStorage.getItem(TOKEN);

async function call(path, { body, signal, raw } = {}) {
  const headers = { Accept: raw ? "*/*" : "application/json" };
  if (body) headers["Content-Type"] = "application/json";
  if (token()) headers.Authorization = `Bearer ${token()}`;
  const answer = await reach(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal });
  if (answer.ok) return raw ? answer.blob() : answer.json();
  const { error } = await answer.json().catch(() => ({}));
  const why = refused(answer.status, error?.code);
  if (why === null || !askForToken) throw new ServiceError(answer.status, error);
  sessionStorage.setItem(TOKEN, await askForToken(why));
  return call(path, { body, signal, raw });
}

/** Why another token is needed; null if it is not. */
function refused(status, code) {
  if (status === 401) return token() ? "That token was not accepted. " : "";
  return code === "wrong_scope" ? "That token lacks the scope read. " : null;
}

async function reach(path, request) {
  try {
    return await fetch(path, request);
  } catch (error) {
    if (request.signal?.aborted) throw error;
    const lost = new Error("Is it still running? Your settings on this page are kept.");
    throw Object.assign(lost, { title: "The service does not answer. " });
  }
}

function query(path, parameters) {
  const pairs = Object.entries(parameters).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
  const text = new URLSearchParams(pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")).toString();
  return text ? `${path}?${text}` : path;
}

const prune = (body) => Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null && value !== undefined));

export const model = () => call("v1/model");
export const items = (parameters, signal) => call(query("v1/items", parameters), { signal });
export const users = (parameters, signal) => call(query("v1/users", parameters), { signal });
export const history = (user, limit, signal) => call(query(`v1/users/${encodeURIComponent(user)}/history`, { limit }), { signal });
export const map = (limit, signal) => call(query("v1/map", { limit }), { signal });
export const recommend = (body, signal) => call("v1/recommend", { body: prune(body), signal });
export const similar = (body, signal) => call("v1/similar", { body: prune(body), signal });
export const report = () => call("v1/report", { raw: true });
