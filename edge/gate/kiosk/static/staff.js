// The pages of staff: logging in, and a tab for each thing that they do.

import { $, ask, el, getLanguage, pause, put, setLanguage, t, useTexts } from "./common.js";
import { act, begin, current, end, livePicture, mark, moment, personPicker, poll, read, row, touched, why } from "./desk.js";
import { enrolTab } from "./enrol.js";
import * as keyboard from "./keyboard.js";

const TABS = { enrol: enrolTab, test: testTab, open: openTab, erase: eraseTab, status: statusTab };
const LOGIN_BACK_MS = 60000;
const WARN_S = 60;

let tab = null;
let leaveTab = async () => {};
let idleSince = performance.now();
const main = $("main");

async function run() {
  let start = null;
  while (start === null) {
    try {
      start = await ask("GET", "/api/start");
    } catch {
      await pause(1000);
    }
  }
  useTexts(start.texts);
  const wanted = location.hash.slice(1);
  keyboard.build();
  $("language").addEventListener("click", () => speak(getLanguage() === "zh" ? "en" : "zh"));
  $("leave").addEventListener("click", logOut);
  // Whoever goes back to the gate's own page leaves nothing open behind it.
  $("home").addEventListener("click", (event) => {
    event.preventDefault();
    logOut();
  });
  for (const kind of ["pointerdown", "keydown"]) {
    document.addEventListener(kind, () => {
      idleSince = performance.now();
      touched();
    });
  }
  setLanguage(["zh", "en"].includes(wanted) ? wanted : start.language);
  const told = await ask("GET", "/api/staff/session").catch(() => null);
  if (told !== null) begin(told, loggedOut);
  draw();
  setInterval(tick, 1000);
}

function speak(language) {
  setLanguage(language);
  keyboard.draw();
  draw();
}

function tick() {
  const session = current();
  const now = performance.now();
  if (session === null) {
    put($("left"), "");
    if (now - idleSince > LOGIN_BACK_MS) location.assign("/");
    return;
  }
  const left = Math.ceil((session.until - now) / 1000);
  put($("left"), left <= WARN_S ? t("staff.left", { n: Math.max(left, 0) }) : "");
  if (left <= 0) logOut();
}

async function draw() {
  await leaveTab();
  leaveTab = async () => {};
  document.title = t("app.staff_title");
  const session = current();
  $("leave").hidden = $("tabs").hidden = session === null;
  put($("who"), session === null ? "" : session.name);
  if (session === null) {
    loginForm();
    return;
  }
  tab ??= "enrol";
  $("tabs").replaceChildren(...Object.keys(TABS).map((one) => el("button", { type: "button", role: "tab", id: `tab-${one}`,
    "aria-selected": String(one === tab), onclick: () => { tab = one; draw(); } }, t(`staff.${one}`))));
  main.setAttribute("role", "tabpanel");
  main.setAttribute("aria-labelledby", `tab-${tab}`);
  leaveTab = (await TABS[tab](main)) ?? (async () => {});
}

function loginForm(problem = "") {
  main.removeAttribute("role");
  const login = el("input", { id: "login", autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: 32 });
  const password = el("input", { id: "password", type: "password", autocomplete: "off", maxlength: 200 });
  const told = el("p", { class: "problem", role: "alert" }, problem);
  const enter = el("button", { class: "primary", type: "submit" }, t("staff.enter"));
  const form = el("form", { class: "panel narrow", onsubmit: async (event) => {
    event.preventDefault();
    enter.disabled = true;
    told.textContent = "";
    try {
      begin(await ask("POST", "/api/staff/login", { login: login.value.trim(), password: password.value }), loggedOut);
      keyboard.show(false);
      draw();
    } catch (error) {
      told.textContent = why(error);
      password.value = "";
      password.focus();
    }
    enter.disabled = false;
  } }, el("h2", {}, t("app.staff_title")), el("label", {}, t("staff.login"), login),
  el("label", {}, t("staff.password"), password), told, enter);
  main.replaceChildren(form);
  login.focus();
}

function loggedOut() {
  if (current() === null) return;
  end();
  tab = null;
  leaveTab = async () => {};
  $("leave").hidden = $("tabs").hidden = true;
  put($("who"), "");
  loginForm(t("refused.no_session"));
}

async function logOut() {
  await leaveTab().catch(() => {});
  if (current() !== null) await act("logout").catch(() => {});
  end();
  location.assign("/");
}

// --- the tabs

function testTab(place) {
  const { root, mirror } = livePicture();
  const table = el("table", { id: "sight" });
  const problem = el("p", { class: "problem", role: "alert" });
  place.replaceChildren(el("div", { class: "panel" }, el("p", {}, t("test.note")),
    el("div", { class: "two" }, root, table), problem));
  poll(table, "test", (sight) => {
    problem.textContent = "";
    table.replaceChildren(...sightRows(sight));
  }, (error) => {
    problem.textContent = why(error);
  }).finally(() => mirror.stop());
}

function sightRows(sight) {
  const figure = (value) => (value === null ? "–" : value.toFixed(3));
  const person = sight.person === null
    ? mark(false, `${t("test.nobody")}${sight.reason === "ok" ? "" : `: ${t(`reason.${sight.reason}`)}`}`)
    : mark(true, t("enrol.for", { name: sight.person.name, id: sight.person.id }));
  const way = t(sight.closer_is_better ? "test.lower" : "test.higher");
  return [
    row(t("test.person"), el("b", {}, person)),
    row(t("test.guidance"), t(`guide.${sight.guidance}`)),
    row(t("test.score"), `${figure(sight.score)} / ${figure(sight.threshold)} (${way})`),
    row(t("test.second"), figure(sight.second)),
    row(t("test.mode"), sight.mode),
    row(t("test.temperature"), ...temperature(sight.temperature)),
    row(t("test.liveness"), check(sight.liveness)),
    row(t("test.mask"), check(sight.mask)),
    row(t("test.took"), `${Math.round(sight.took_ms)} ms`),
  ];
}

function temperature(result) {
  if (result === null) return [t("test.none")];
  const { raw_c: raw, compensated_c: compensated, how } = result.figures;
  const lines = [check(result)];
  if (typeof raw === "number") lines.push(el("div", {}, t("test.raw", { c: raw.toFixed(2) })));
  if (typeof compensated === "number") {
    lines.push(el("div", {}, t("test.compensated", { c: compensated.toFixed(2), how: how ?? "" })));
  }
  return lines;
}

function check(result) {
  if (result === null) return t("test.none");
  const text = t(`standing.${result.standing}`, { why: t(`reason.${result.reason}`) });
  return result.standing === "unchecked" ? text : mark(result.standing === "passed", text);
}

function openTab(place) {
  let reason = null;
  const told = el("p", { role: "alert" });
  const open = el("button", { type: "button", class: "primary", id: "open-door", disabled: true }, t("open.do"));
  const reasons = ["guest", "delivery", "forgot", "help", "works"].map((one) => el("button", { type: "button",
    "data-why": one, "aria-pressed": "false", onclick: (event) => {
      reason = one;
      open.disabled = false;
      for (const other of reasons) other.setAttribute("aria-pressed", String(other === event.currentTarget));
    } }, t(`open.${one}`)));
  open.addEventListener("click", async () => {
    open.disabled = true;
    told.className = "";
    told.textContent = "";
    try {
      const { outcome, reason: refused } = await act("open", { why: reason });
      told.className = outcome === "opened" ? "done" : "problem";
      told.replaceChildren(mark(outcome === "opened", t(`open.${outcome}`, { why: t(`reason.${refused}`) })));
    } catch (error) {
      told.className = "problem";
      told.textContent = why(error);
    }
    open.disabled = false;
  });
  place.replaceChildren(el("div", { class: "panel" }, el("p", {}, t("open.note")), el("h2", {}, t("open.why")),
    el("div", { class: "actions" }, ...reasons), el("div", { class: "actions" }, open), told));
}

function eraseTab(place, news = "") {
  const picker = personPicker({ usable: (one) => one.enrolled, chosen: (person) => {
    const problem = el("p", { class: "problem", role: "alert" });
    const erase = el("button", { type: "button", id: "erase", onclick: async () => {
      erase.disabled = true;
      try {
        const { erased } = await act("erase", { person: person.id });
        eraseTab(place, t("erase.done", { n: erased }));
      } catch (error) {
        problem.textContent = why(error);
        erase.disabled = false;
      }
    } }, t("erase.do"));
    const keep = el("button", { type: "button", class: "primary", onclick: () => eraseTab(place) }, t("erase.keep"));
    place.replaceChildren(el("div", { class: "panel" }, el("p", { class: "verdict" }, t("erase.sure", person)),
      el("div", { class: "actions" }, erase, keep), problem));
    keep.focus();
  } });
  picker.prepend(el("p", {}, t("erase.note")), el("p", { class: "done", role: "status" }, news));
  place.replaceChildren(picker);
}

function statusTab(place) {
  const table = el("table", { id: "status" });
  const problem = el("p", { class: "problem", role: "alert" });
  place.replaceChildren(el("div", { class: "panel" }, problem, table));
  poll(table, "status", (status) => {
    problem.textContent = "";
    table.replaceChildren(...statusRows(status));
  }, (error) => {
    problem.textContent = why(error);
  });
}

function pictureAge(camera) {
  if (camera.age_s !== null) return t("status.age", { n: camera.age_s.toFixed(1) });
  return camera.good ? "" : t("status.no_picture");
}

function statusRows(status) {
  const word = (good) => t(good ? "status.good" : "status.bad");
  const cameras = status.cameras.map((one) => row(t(one.thermal ? "status.thermal" : "status.camera", { name: one.name }),
    mark(one.good, word(one.good)), ` ${one.size} `, pictureAge(one)));
  const roll = status.roll_revision === null ? [mark(false, t("status.none"))]
    : [mark(!status.roll_stale, String(status.roll_revision)), status.roll_stale ? ` ${t("status.stale")} ` : " ",
      status.roll_issued_ms === null ? "" : t("status.issued", { at: moment(status.roll_issued_ms) })];
  const troubles = status.troubles.map((one) => t(`reason.${one}`)).join(" · ");
  return [
    ...cameras,
    // A model's identity is a hash, of which the beginning is enough to compare.
    row(t("status.models"), status.models.map((one) => (/^[0-9a-f]{32,}$/.test(one) ? one.slice(0, 12) : one)).join(", ")
      || t("status.none")),
    row(t("status.threshold"), status.threshold === null ? "–" : `${status.threshold.toFixed(3)} (${status.mode})`),
    row(t("status.roll"), ...roll),
    row(t("status.people"), String(status.people)),
    row(t("status.faces"), mark(status.faces < status.faces_limit, t("status.of", { n: status.faces, limit: status.faces_limit }))),
    row(t("status.door"), mark(["closed", "open"].includes(status.door), t(`door.${status.door}`)),
      status.fire ? ` · ${t("fire.head")}` : ""),
    row(t("status.time"), mark(status.clock_trusted, t(status.clock_trusted ? "status.trusted" : "status.not_trusted")),
      ` ${moment(status.now_ms)} (${status.time_source})`),
    row(t("status.cloud"), mark(status.connected, t(status.connected ? "status.connected" : "status.apart")),
      ` ${t("status.waiting", { n: status.waiting })}`),
    row(t("status.troubles"), mark(troubles === "", troubles || t("status.none"))),
  ];
}

run();
