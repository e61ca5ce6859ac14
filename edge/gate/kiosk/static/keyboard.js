// A keyboard on the screen, because a gate has none. It writes into the field that had the focus last.

import { $, el, translate } from "./common.js";

const ROWS = ["1234567890", "qwertyuiop", "asdfghjkl-", "zxcvbnm._@"];

let field = null;
let upper = false;

export function build() {
  document.addEventListener("focusin", (event) => {
    if (isText(event.target)) field = event.target;
  });
  // A finger on a field calls the keyboard; whoever has a real one uses a mouse or the tab key.
  document.addEventListener("pointerup", (event) => {
    if (event.pointerType === "touch" && isText(event.target)) show(true);
  });
  $("keyboard-toggle").addEventListener("click", () => show($("keyboard").hidden));
  draw();
}

export function show(wanted) {
  $("keyboard").hidden = !wanted;
  $("keyboard-toggle").setAttribute("aria-pressed", String(wanted));
  if (wanted && !field?.isConnected) field = document.querySelector("main input:not([type=checkbox])");
  if (wanted) field?.scrollIntoView({ block: "nearest" });
}

export function draw() {
  const rows = ROWS.map((row) => el("div", {}, ...Array.from(row, (one) => key(upper ? one.toUpperCase() : one))));
  const last = el("div", {},
    el("button", { type: "button", class: "wide", "aria-pressed": String(upper), "data-t": "staff.shift",
      onclick: () => { upper = !upper; draw(); } }),
    el("button", { type: "button", class: "wide", "data-t": "staff.space", onclick: () => write(" ") }),
    el("button", { type: "button", class: "wide", "data-t": "pin.delete", onclick: () => write(null) }));
  $("keyboard").replaceChildren(...rows, last);
  translate($("keyboard"));
}

function key(letter) {
  return el("button", { type: "button", "data-letter": letter, "aria-label": letter, onclick: () => write(letter) }, letter);
}

function isText(one) {
  return one instanceof HTMLInputElement && one.type !== "checkbox";
}

function write(letter) {
  if (!field?.isConnected) field = document.querySelector("main input:not([type=checkbox])");
  if (!field) return;
  const { value } = field;
  field.value = letter === null ? value.slice(0, -1) : value + letter;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  if (upper && letter !== null) {
    upper = false;
    draw();
  }
}

