// What the tabs of staff share: requests in a session, people to choose from, marks, the live picture.

import { $, Failed, ask, el, getLanguage, pause, t, translate } from "./common.js";
import { Mirror } from "./mirror.js";

let session = null;
let lost = () => {};
let touchedAt = 0;

export function begin(told, whenLost) {
  session = { ...told, until: performance.now() + told.left_s * 1000 };
  lost = whenLost;
}

export function end() {
  session = null;
}

export const current = () => session;

export async function read(path) {
  return guarded(() => ask("GET", `/api/staff/${path}`));
}

export async function act(path, body) {
  const given = await guarded(() => ask("POST", `/api/staff/${path}`, body, { "x-linli-csrf": session?.csrf ?? "" }));
  if (session) session.until = Math.max(session.until, performance.now() + 299000);
  return given;
}

async function guarded(work) {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Failed && (error.status === 401 || error.code === "csrf")) lost();
    throw error;
  }
}

// Tells the agent, now and then, that somebody touches the screen: looking alone keeps nobody logged in.
export async function touched() {
  if (session === null || performance.now() - touchedAt < 10000) return;
  touchedAt = performance.now();
  try {
    const told = await act("here");
    session.until = performance.now() + told.left_s * 1000;
  } catch {
    touchedAt = 0;
  }
}

export function why(error) {
  const code = `refused.${error.code}`;
  const known = t(code) === code ? "refused.failed" : code;
  return t(known, { n: error.body?.retry_after_s ?? "" });
}

export function mark(good, text) {
  return el("span", { class: `mark ${good ? "good" : "bad"}` }, text);
}

export function row(name, ...value) {
  return el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, ...value));
}

// Gives the element of a live picture and the mirror that draws into it; it runs while it stands in the page.
export function livePicture() {
  const root = $("mirror-template").content.firstElementChild.cloneNode(true);
  translate(root);
  const mirror = new Mirror(root);
  mirror.start();
  return { root, mirror };
}

// Asks again and again while `element` stands in the page; a failure is shown by `failed` and asked again.
export async function poll(element, path, shown, failed) {
  await pause(0);
  while (element.isConnected) {
    try {
      const told = await read(path);
      if (element.isConnected) shown(told);
    } catch (error) {
      if (element.isConnected) failed(error);
    }
    await pause(1000);
  }
}

const MOST = 50;

export function personPicker({ usable, chosen }) {
  const input = el("input", { type: "search", id: "find", autocomplete: "off" });
  const list = el("ul", { class: "list" });
  const note = el("p", { role: "status" });
  let asked = 0;
  const look = async () => {
    const mine = (asked += 1);
    try {
      const people = await read(`people?text=${encodeURIComponent(input.value)}`);
      if (mine !== asked) return;
      list.replaceChildren(...people.map((one) => el("li", {}, personButton(one, usable(one), chosen))));
      note.textContent = people.length === 0 ? t("find.none") : people.length >= MOST ? t("find.more") : "";
    } catch (error) {
      note.textContent = why(error);
    }
  };
  let waiting = null;
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(look, 200);
  });
  look();
  return el("div", { class: "panel" }, el("label", {}, t("find.label"), input), list, note);
}

function personButton(person, usable, chosen) {
  const tags = [t(`find.${person.kind}`)];
  if (person.minor) tags.push(t("find.minor"));
  if (person.enrolled) tags.push(t("find.enrolled"));
  if (!person.asked) tags.push(t("find.not_asked"));
  if (person.blocked) tags.push(t("find.blocked"));
  return el("button", { type: "button", "data-person": person.id, disabled: !usable, onclick: () => chosen(person) },
    el("b", {}, person.name), el("span", {}, person.id), ...tags.map((one) => el("span", { class: "tag" }, one)));
}

export function moment(ms) {
  const place = getLanguage() === "zh" ? "zh-CN" : "en-GB";
  return new Date(ms).toLocaleString(place, { dateStyle: "medium", timeStyle: "short" });
}
