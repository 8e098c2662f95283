// Requests to the service: the one place that knows its routes, the token and the form of its errors.

const TOKEN = "motet-token";
let askForToken = null;

/** An answer with an error status; `field` names the part of the request that was wrong. */
export class ServiceError extends Error {
  constructor(status, { message, code, field } = {}) {
    super(message ?? `The service answered ${status}.`);
    Object.assign(this, { status, code, field });
    if (status === 503) this.title = "The service is busy. ";
    if (status === 403) this.title = "This token does not allow that. ";
  }
}

/** `ask()` resolves to a token; it is called when the service requires one. */
export function onTokenWanted(ask) {
  askForToken = ask;
}

export const token = () => sessionStorage.getItem(TOKEN);

async function call(path, { body, signal, raw } = {}) {
  const headers = { Accept: raw ? "*/*" : "application/json" };
  if (body) headers["Content-Type"] = "application/json";
  if (token()) headers.Authorization = `Bearer ${token()}`;
  const answer = await reach(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal });
  if (answer.status === 401 && askForToken) {
    sessionStorage.setItem(TOKEN, await askForToken(Boolean(token())));
    return call(path, { body, signal, raw });
  }
  if (!answer.ok) throw new ServiceError(answer.status, (await answer.json().catch(() => ({}))).error);
  return raw ? answer.blob() : answer.json();
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
