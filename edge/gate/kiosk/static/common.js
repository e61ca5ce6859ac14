// What both pages share: texts in two languages, elements, requests.

let texts = {};
let language = "zh";

export function useTexts(table) {
  texts = table;
}

export function has(key) {
  return key in texts;
}

export function t(key, values = {}) {
  const text = texts[key]?.[language] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

export function getLanguage() {
  return language;
}

// Switches every text that stands in the page; what is drawn by a script is drawn anew by whoever drew it.
export function setLanguage(chosen) {
  language = chosen;
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : "en";
  translate(document);
}

export function translate(root) {
  for (const one of root.querySelectorAll("[data-t]")) put(one, t(one.dataset.t));
  for (const one of root.querySelectorAll("[data-label]")) one.setAttribute("aria-label", t(one.dataset.label));
}

// Writes a text only when it is another: a screen reader reads again what is written again.
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export const $ = (id) => document.getElementById(id);

export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((one) => one !== null && one !== undefined && one !== ""));
  return made;
}

export class Failed extends Error {
  constructor(code, status, body = {}) {
    super(code);
    this.code = code;
    this.status = status;
    this.body = body;
  }
}

// Sends a request with a time-out; gives the answer's JSON, null without one, or throws Failed ("lost": nobody answered).
export async function ask(method, path, body, headers = {}) {
  const request = { method, headers: { ...headers }, signal: AbortSignal.timeout(15000) };
  if (method !== "GET") {
    request.headers["content-type"] = "application/json";
    request.body = JSON.stringify(body ?? {});
  }
  let answer;
  try {
    answer = await fetch(path, request);
  } catch {
    throw new Failed("lost", 0);
  }
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw new Failed(told.error ?? "failed", answer.status, told);
  }
  return answer.status === 204 || answer.status === 202 ? null : answer.json();
}

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));
