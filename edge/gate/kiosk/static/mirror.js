// The live picture, mirrored as a mirror does, with a frame around the face.

import { pause } from "./common.js";

const SVG = "http://www.w3.org/2000/svg";
const EVERY_MS = 85;
const STILL_MS = 2500;

export class Mirror {
  constructor(root) {
    this.canvas = root.querySelector("canvas");
    this.overlay = root.querySelector("svg");
    this.still = root.querySelector(".still");
    this.running = null;
    this.number = -1;
    this.drawn = 0;
    this.box = null;
    this.guidance = "none";
  }

  start() {
    if (this.running) return;
    this.running = new AbortController();
    this.since = performance.now();
    this.loop(this.running.signal);
  }

  stop() {
    if (!this.running) return;
    this.running.abort();
    this.running = null;
    // No face stays on a screen that nobody stands before.
    this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.still.hidden = true;
    this.number = -1;
  }

  // `box` in parts of the picture, not mirrored; null while there is no face.
  frame(box, guidance) {
    this.box = box;
    this.guidance = guidance;
    this.draw();
  }

  async loop(signal) {
    while (!signal.aborted) {
      const began = performance.now();
      try {
        await this.next(signal);
      } catch {
        if (signal.aborted) return;
        await pause(500);
      }
      this.still.hidden = performance.now() - this.since < STILL_MS;
      await pause(Math.max(10, EVERY_MS - (performance.now() - began)));
    }
  }

  async next(signal) {
    const answer = await fetch(`/api/picture?after=${this.number}`, { signal });
    if (answer.status !== 200) {
      if (!answer.ok) await pause(500);
      return;
    }
    const bitmap = await createImageBitmap(await answer.blob());
    if (signal.aborted) return;
    this.number = Number(answer.headers.get("x-picture"));
    const { canvas } = this;
    const context = canvas.getContext("2d");
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
      this.draw();
    }
    context.setTransform(-1, 0, 0, 1, canvas.width, 0);
    context.drawImage(bitmap, 0, 0);
    context.setTransform(1, 0, 0, 1, 0, 0);
    bitmap.close();
    this.drawn += 1;
    this.since = performance.now();
  }

  draw() {
    const { width, height } = this.canvas;
    const { overlay, box, guidance } = this;
    overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const group = document.createElementNS(SVG, "g");
    group.setAttribute("class", box === null ? "guide" : guidance === "ok" ? "box ok" : "box");
    const path = box === null ? oval(width, height) : corners(box, width, height);
    for (const kind of ["casing", "line"]) {
      const one = document.createElementNS(SVG, "path");
      one.setAttribute("class", kind);
      one.setAttribute("d", path);
      one.setAttribute("vector-effect", "non-scaling-stroke");
      group.append(one);
    }
    overlay.replaceChildren(group);
  }
}

function oval(width, height) {
  const ry = height * 0.36;
  const rx = ry * 0.76;
  const [cx, cy] = [width / 2, height * 0.48];
  return `M${cx - rx} ${cy}a${rx} ${ry} 0 1 0 ${2 * rx} 0a${rx} ${ry} 0 1 0 ${-2 * rx} 0z`;
}

function corners(box, width, height) {
  const [w, h] = [box.width * width * 1.3, box.height * height * 1.3];
  const left = (1 - box.left - box.width / 2) * width - w / 2;
  const top = (box.top + box.height / 2) * height - h / 2;
  const [right, bottom, l] = [left + w, top + h, Math.min(w, h) * 0.26];
  return (
    `M${left} ${top + l}V${top}h${l}M${right - l} ${top}H${right}v${l}` +
    `M${right} ${bottom - l}V${bottom}h${-l}M${left + l} ${bottom}H${left}v${-l}`
  );
}
