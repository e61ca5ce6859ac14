// The PIN pad: large keys, and only how many digits were typed is ever shown.

import { $, ask, el, put, t } from "./common.js";
import { play } from "./sound.js";

const LONGEST = 12;
const SHORTEST = 4;
const FORGET_MS = 20000;

let digits = "";
let forgetting = null;
let closed = () => {};

export function build(whenClosed) {
  closed = whenClosed;
  const keys = $("keys");
  for (const key of ["1", "2", "3", "4", "5", "6", "7", "8", "9", "delete", "0", "enter"]) {
    const word = key.length > 1;
    keys.append(
      el("button", { type: "button", "data-key": key, class: word ? `word ${key === "enter" ? "primary" : ""}` : null,
        "data-t": word ? `pin.${key}` : null, onclick: () => press(key) }, word ? "" : key),
    );
  }
  $("pad-back").addEventListener("click", close);
  document.addEventListener("keydown", (event) => {
    if ($("pad").hidden || document.querySelector("dialog[open]")) return;
    // Keys that are focused press themselves by Enter and space.
    if (/^\d$/.test(event.key)) press(event.key);
    else if (event.key === "Backspace") press("delete");
    else if (event.key === "Escape") close();
    else if (event.key === "Enter" && !event.target.closest?.("button")) press("enter");
    else return;
    event.preventDefault();
  });
}

export function open() {
  digits = "";
  $("pad").hidden = false;
  note("");
  show();
  $("keys").querySelector("button").focus({ preventScroll: true });
}

export function close() {
  digits = "";
  clearTimeout(forgetting);
  show();
  if ($("pad").hidden) return;
  $("pad").hidden = true;
  closed();
}

export function show() {
  const typed = $("typed");
  typed.setAttribute("aria-label", t("pin.typed", { n: digits.length }));
  typed.replaceChildren(...Array.from(digits, () => el("i")));
}

function note(key) {
  put($("pad-note"), key && t(key));
}

function press(key) {
  clearTimeout(forgetting);
  forgetting = setTimeout(close, FORGET_MS);
  if (key === "enter") {
    send();
    return;
  }
  play("key");
  note("");
  digits = key === "delete" ? digits.slice(0, -1) : (digits + key).slice(0, LONGEST);
  show();
}

async function send() {
  if (digits.length < SHORTEST) {
    note("pin.short");
    return;
  }
  const pin = digits;
  digits = "";
  show();
  try {
    await ask("POST", "/api/pin", { pin });
    close();
  } catch (error) {
    note(error.code === "too_fast" ? "pin.slow" : "pin.lost");
  }
}
