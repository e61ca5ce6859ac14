// The page at the gate: shows the state that the agent sends, and takes touches. It decides nothing.

import { $, ask, el, getLanguage, has, pause, put, setLanguage, t, useTexts } from "./common.js";
import { Mirror } from "./mirror.js";
import * as pad from "./pad.js";
import { play, wake } from "./sound.js";

const AWAY_MS = 3500;
const LANGUAGE_BACK_MS = 30000;
const LANGUAGE_LONGEST_MS = 90000;
const HOW_BACK_MS = 8000;
const PRIVACY_BACK_MS = 60000;
const CALL_ANSWER_MS = 6000;
const NO_FACE = new Set(["no_camera", "no_model"]);

let start = null;
let state = null;
let heard = 0;
let touched = 0;
let busy = 0;
let sounded = null;
let calling = "none";
let callTimer = null;
let howTimer = null;
let privacyTimer = null;
let mirror = null;
let fitted = "";

async function main() {
  while (start === null) {
    try {
      start = await ask("GET", "/api/start");
    } catch {
      await pause(1000);
    }
  }
  useTexts(start.texts);
  mirror = new Mirror($("mirror"));
  pad.build(() => {
    $("tiles").hidden = false;
  });
  const { ways } = start.facts;
  for (const tile of document.querySelectorAll(".tile")) {
    tile.hidden = !ways.includes(tile.dataset.way);
    tile.addEventListener("click", () => chooseWay(tile));
  }
  $("staff-link").hidden = !start.staff;
  $("language").addEventListener("click", () => speak(getLanguage() === "zh" ? "en" : "zh"));
  $("call").addEventListener("click", call);
  $("how-back").addEventListener("click", closeHow);
  $("privacy-open").addEventListener("click", openPrivacy);
  $("privacy-close").addEventListener("click", () => $("privacy").close());
  $("privacy").addEventListener("close", () => clearTimeout(privacyTimer));
  for (const kind of ["pointerdown", "keydown"]) {
    document.addEventListener(kind, () => {
      touched = performance.now();
      wake();
    });
  }
  document.addEventListener("contextmenu", (event) => event.preventDefault());
  speak(start.language);
  listen();
  setInterval(tick, 500);
  new ResizeObserver(fit).observe($("stage"));
}

// --- the state, as the agent tells it

function listen() {
  const source = new EventSource("/api/events");
  const beat = () => {
    heard = performance.now();
  };
  source.addEventListener("hello", (event) => {
    beat();
    if (event.data !== start.build) location.reload();
  });
  source.addEventListener("beat", beat);
  source.addEventListener("state", (event) => {
    beat();
    state = JSON.parse(event.data);
    render();
  });
  source.addEventListener("error", () => {
    // It connects again by itself, unless it was refused outright.
    if (source.readyState !== EventSource.CLOSED) return;
    source.close();
    setTimeout(listen, 1000);
  });
}

// Whether the state is the gate's present one: it tells each change, and a beat while there is none.
function isLive() {
  return state !== null && performance.now() - heard <= AWAY_MS;
}

function tick() {
  const now = performance.now();
  if (!isLive()) pad.close();
  else if (state.phase !== "idle") busy = now;
  // Whoever chose a language has gone: nobody touches and nobody stands there, or others have come for long enough.
  const gone = now - touched > LANGUAGE_BACK_MS && (now - busy > LANGUAGE_BACK_MS || now - touched > LANGUAGE_LONGEST_MS);
  if (gone && getLanguage() !== start.language && !$("privacy").open) speak(start.language);
  clock();
  render();
}

function clock() {
  const now = new Date();
  const certain = state === null || !state.troubles.includes("clock_not_trusted");
  const place = getLanguage() === "zh" ? "zh-CN" : "en-GB";
  const time = certain ? now.toLocaleTimeString(place, { hour: "2-digit", minute: "2-digit" }) : "--:--";
  put($("clock"), time);
  put($("small-clock"), time);
  const day = { weekday: "long", day: "numeric", month: "long" };
  put($("date"), certain ? now.toLocaleDateString(place, day) : "");
}

// --- drawing

function view() {
  if (!isLive()) return heard === 0 ? "wait" : "away";
  if (state.fire) return "fire";
  return { idle: "idle", looking: "look", working: "work", result: "result" }[state.phase];
}

function render() {
  const shown = view();
  document.body.dataset.view = shown;
  for (const [id, when] of [["idle", ["idle", "wait"]], ["look", ["look", "work"]], ["result", ["result"]],
    ["fire", ["fire"]], ["away", ["away"]]]) {
    $(id).hidden = !when.includes(shown);
  }
  const seeing = shown === "look" || shown === "work";
  if (seeing) mirror.start();
  else mirror.stop();
  for (const button of document.querySelectorAll(".tile, .call")) button.disabled = shown === "wait" || shown === "away";
  if (!isLive()) {
    fit();
    return;
  }
  if (seeing) renderLook();
  else if (shown === "idle") renderIdle();
  else if (shown === "result") renderResult();
  if (shown !== "result") sounded = null;
  renderCall();
  renderFoot();
  fit();
}

// Makes what does not fit smaller, step by step; the main words keep their least size.
function fit() {
  const shown = document.querySelector(".view:not([hidden])");
  const words = shown.textContent;
  const room = `${shown.id} ${shown.clientWidth} ${shown.clientHeight} ${words}`;
  if (fitted === room) return;
  fitted = room;
  for (const scale of [1, 0.92, 0.84, 0.76, 0.68, 0.6, 0.52, 0.45]) {
    shown.style.setProperty("--fit", scale);
    shown.classList.toggle("tight", scale < 0.7);
    shown.classList.toggle("tightest", scale < 0.55);
    if (!overflows(shown)) return;
  }
}

function overflows(shown) {
  const { top, bottom, left, right } = shown.getBoundingClientRect();
  return [...shown.querySelectorAll("p, time, .shape, .sign")].some((one) => {
    const at = one.getBoundingClientRect();
    const within = at.top >= top - 1 && at.bottom <= bottom + 1 && at.left >= left - 1 && at.right <= right + 1;
    return at.height > 0 && (!within || one.scrollWidth > one.clientWidth + 1) && one.tagName !== "TIME";
  });
}

function renderIdle() {
  const faces = start.facts.ways.includes("face") && !state.troubles.some((one) => NO_FACE.has(one));
  document.querySelector(".sign").classList.toggle("off", !faces);
  put($("idle-head"), t(faces ? "idle.face" : "idle.no_face"));
  put($("idle-how"), t(faces ? "idle.how" : "idle.how_no_face"));
}

function renderLook() {
  const working = state.phase === "working";
  const guidance = state.guidance;
  mirror.frame(state.box, working ? "ok" : guidance);
  put($("words"), t(working ? "working.head" : `guide.${guidance}`));
  put($("words-help"), t(working ? `working.${state.way ?? "face"}` : `guide_help.${guidance}`));
}

function renderResult() {
  const { answer, reasons, advice, way } = state;
  const decisive = reasons[0] ?? "ok";
  $("result").dataset.answer = answer;
  const opened = answer === "open";
  put($("headline"), opened && way === "exit" ? t("answer.exit_open") : opened ? t("answer.open") : t(`reason.${decisive}`));
  put($("name"), opened ? state.name : "");
  const more = (opened ? advice : [...reasons.slice(1), ...advice]).filter((one) => one !== decisive && has(`reason.${one}`));
  const what = more.slice(0, 2).map((one) => t(`reason.${one}`)).join(" · ");
  put($("also"), answer === "staff" ? t("answer.staff_comes") : opened && what ? t("answer.note", { what }) : what);
  put($("help"), t(`help.${opened ? "ok" : decisive}`));
  const figure = $("figure");
  const wanted = [];
  if (state.temperature_c !== null) {
    wanted.push(`${t("answer.temperature", { c: state.temperature_c.toFixed(1) })} (${t("answer.temperature_note")})`);
  }
  if (state.liveness_unchecked && (way === "face" || way === null)) wanted.push(t("answer.liveness"));
  put(figure, wanted.join(" · "));
  if (sounded !== state.attempt) {
    sounded = state.attempt;
    play(answer);
    pad.close();
    closeHow();
    $("result").classList.remove("fresh");
    requestAnimationFrame(() => $("result").classList.add("fresh"));
  }
}

function renderCall() {
  const known = state.staff;
  if (known !== "none") calling = "none";
  const shown = known === "none" ? calling : known;
  $("call").dataset.call = shown;
  put($("call-text"), t(`call.${shown}`));
  put($("call-how"), shown === "offline" ? t("call.offline_how") : "");
}

function renderFoot() {
  const notes = [];
  for (const trouble of state.troubles) notes.push(el("b", {}, t(`reason.${trouble}`)));
  if (state.liveness_unchecked) notes.push(el("span", { class: "liveness" }, t("answer.liveness")));
  if (["forced", "held", "fault"].includes(state.door) && !state.fire) notes.push(el("b", {}, t(`door.${state.door}`)));
  else if (state.door === "open") notes.push(el("span", {}, t("door.open")));
  const told = notes.map((one) => one.textContent).join("|");
  if ($("notes").dataset.told !== told) {
    $("notes").dataset.told = told;
    $("notes").replaceChildren(...notes);
  }
}

// --- touches

function speak(language) {
  setLanguage(language);
  document.title = t("app.title");
  const { facts } = start;
  put($("community"), facts[`community_${language}`]);
  put($("gate"), facts[`label_${language}`]);
  put($("privacy-short"), t(facts.keeps_snapshots ? "privacy.short_kept" : "privacy.short"));
  const lines = ["what", "where", "kept", ...(facts.thermal ? ["temperature"] : []),
    ...(facts.keeps_snapshots ? ["snapshots"] : []), "other_ways", "rights"];
  $("privacy-list").replaceChildren(...lines.map((one) => el("li", {}, t(`privacy.${one}`))));
  $("staff-link").href = `/staff#${language}`;
  pad.show();
  clock();
  render();
}

function chooseWay(tile) {
  const { way } = tile.dataset;
  closeHow();
  $("tiles").hidden = true;
  if (way === "pin") {
    pad.open();
    return;
  }
  $("how-picture").replaceChildren(tile.querySelector("svg").cloneNode(true));
  put($("how-text"), t(`ways.${way}_how`));
  $("how").hidden = false;
  howTimer = setTimeout(closeHow, HOW_BACK_MS);
}

function closeHow() {
  clearTimeout(howTimer);
  if ($("how").hidden) return;
  $("how").hidden = true;
  $("tiles").hidden = false;
}

async function call() {
  if (calling === "sending") return;
  calling = "sending";
  render();
  clearTimeout(callTimer);
  try {
    await ask("POST", "/api/call");
    callTimer = setTimeout(() => settle("none"), CALL_ANSWER_MS);
  } catch (error) {
    settle(error.code === "too_fast" ? "none" : "lost");
  }
}

function settle(how) {
  calling = how;
  if (how === "lost") callTimer = setTimeout(() => settle("none"), CALL_ANSWER_MS);
  render();
}

function openPrivacy() {
  $("privacy").showModal();
  privacyTimer = setTimeout(() => $("privacy").close(), PRIVACY_BACK_MS);
}

main();
