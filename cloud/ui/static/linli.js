// What the pages do in the browser itself: keep ages running, move by keyboard, patch what changed, say when data stops.
(() => {
  const root = document.documentElement;
  let offset = 0; // the server's clock less this one's, so that ages do not depend on how this machine is set
  let beatAt = performance.now();

  // --- patching: changes what differs, so that focus, selection and animations stay
  const isKept = (node) => node.nodeType === 1 && node.hasAttribute("data-key");
  function morph(from, to) {
    if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName) {
      from.replaceWith(to);
      return to;
    }
    if (from.nodeType !== 1) {
      if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
      return from;
    }
    for (const { name } of [...from.attributes]) {
      if (!to.hasAttribute(name) && name !== "open" && name !== "aria-busy") from.removeAttribute(name);
    }
    for (const { name, value } of [...to.attributes]) {
      if (from.getAttribute(name) !== value) from.setAttribute(name, value);
    }
    if (from.matches("[data-age], [data-until]")) {
      tell(from);
    } else if (from.matches("input, textarea, select")) {
      if (from !== document.activeElement && from.matches("select")) children(from, to);
    } else {
      children(from, to);
    }
    return from;
  }
  function children(from, to) {
    const known = new Map([...from.childNodes].filter(isKept).map((node) => [node.dataset.key, node]));
    let at = from.firstChild;
    for (const wanted of [...to.childNodes]) {
      const same = isKept(wanted) ? known.get(wanted.dataset.key) : null;
      if (same) {
        if (same !== at) from.insertBefore(same, at);
        at = morph(same, wanted).nextSibling;
      } else if (at && !isKept(at) && !isKept(wanted)) {
        at = morph(at, wanted).nextSibling;
      } else {
        from.insertBefore(wanted, at);
        settle(wanted);
      }
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  }
  function parse(html) {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    return holder.content.firstElementChild;
  }
  function settle(node) {
    if (node.nodeType !== 1) return;
    for (const time of [node, ...node.querySelectorAll("[data-age], [data-until]")]) tell(time);
    node.querySelector("[data-focus]")?.focus();
  }

  // --- ages and clocks
  const units = () => (root.dataset.units || "s min h d").split(" ");
  function span(ms) {
    const [s, min, h, d] = units();
    const seconds = Math.max(0, Math.floor(ms / 1000));
    if (seconds < 120) return `${seconds} ${s}`;
    if (seconds < 7200) return `${Math.floor(seconds / 60)} ${min}`;
    if (seconds < 172800) return `${Math.floor(seconds / 3600)} ${h}`;
    return `${Math.floor(seconds / 86400)} ${d}`;
  }
  const now = () => Date.now() + offset;
  function tell(node) {
    if (!node.dataset) return;
    let text = null;
    if (node.dataset.age) {
      const age = now() - Number(node.dataset.age);
      text = span(age);
      if (node.dataset.old) node.classList.toggle("old", age > Number(node.dataset.old));
    } else if (node.dataset.until) {
      const left = Number(node.dataset.until) - now();
      node.classList.toggle("overdue", left < 0);
      text = (left < 0 ? root.dataset.overdue : root.dataset.left).replace("{}", span(Math.abs(left)));
    }
    if (text !== null && node.textContent !== text) node.textContent = text;
  }
  setInterval(() => {
    document.querySelectorAll("[data-age], [data-until]").forEach(tell);
    root.classList.toggle("no-data", performance.now() - beatAt > 6000);
  }, 500);

  // --- keyboard
  const typing = (node) => node.matches("input, textarea, select, [contenteditable]");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Escape" && typing(event.target)) return event.target.blur();
    if (typing(event.target)) return;
    if (event.key === "/") {
      const box = document.querySelector("[data-search]");
      if (box) {
        event.preventDefault();
        box.focus();
        box.select();
      }
    } else if (event.key === "a") {
      const row = event.target.closest("[data-row]");
      (row?.querySelector("[data-ack]") || document.querySelector("[data-ack]"))?.click();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const rows = [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent !== null);
      if (!rows.length) return;
      const at = rows.indexOf(event.target.closest("[data-row]"));
      const next = at < 0 ? 0 : at + (event.key === "ArrowDown" ? 1 : -1);
      const row = rows[Math.min(Math.max(next, 0), rows.length - 1)];
      event.preventDefault();
      (row.querySelector("a, button") || row).focus();
      row.scrollIntoView({ block: "nearest" });
    }
  });

  // --- the library's own notice of a lost connection, in the reader's words
  addEventListener("DOMContentLoaded", () => {
    const lines = document.querySelectorAll("#popup span");
    if (lines.length && root.dataset.lost) {
      lines[0].textContent = root.dataset.lost;
      lines.forEach((line, at) => at && line.remove());
    }
  });

  window.linli = {
    morph,
    children,
    parse,
    settle,
    beat(serverNow) {
      offset = serverNow - Date.now();
      beatAt = performance.now();
    },
  };
})();
