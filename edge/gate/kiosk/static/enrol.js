// Enrolling a face: whose, what they agree to, three good pictures, and what came of it.

import { el, getLanguage, t } from "./common.js";
import { act, current, livePicture, mark, personPicker, poll, row, why } from "./desk.js";

export function enrolTab(main) {
  let taken = [];

  const leave = async () => {
    const dropped = taken;
    taken = [];
    if (dropped.length > 0) await act("drop", { taken: dropped }).catch(() => {});
  };
  const cancel = () => el("button", { type: "button", onclick: async () => { await leave(); choose(); } }, t("enrol.cancel"));

  function choose() {
    const picker = personPicker({ usable: (one) => one.asked && !one.blocked, chosen: agree });
    picker.prepend(el("h2", {}, t("enrol.who")));
    main.replaceChildren(picker);
  }

  function heading(key, person) {
    return [el("h2", {}, t(key)), el("p", { class: "verdict" }, t("enrol.for", { name: person.name, id: person.id }))];
  }

  function agree(person) {
    const guardian = person.minor ? el("input", { id: "guardian", autocomplete: "off", maxlength: 100 }) : null;
    const agreed = el("input", { type: "checkbox", id: "agreed" });
    const next = el("button", { type: "button", class: "primary", id: "next", disabled: true,
      onclick: () => take(person, guardian?.value.trim() ?? null) }, t("enrol.next"));
    const panel = el("div", { class: "panel" }, ...heading("enrol.agree", person),
      person.enrolled ? el("p", {}, t("enrol.again")) : null,
      el("ul", { class: "consent" }, ...["what", "where", "free", "back"].map((one) => el("li", {}, t(`consent.${one}`)))),
      guardian ? el("label", {}, t("enrol.guardian"), guardian) : null,
      el("label", { class: "check" }, agreed, t(person.minor ? "enrol.agreed_guardian" : "enrol.agreed")),
      el("div", { class: "actions" }, next, cancel()));
    panel.addEventListener("input", () => {
      next.disabled = !agreed.checked || (guardian !== null && guardian.value.trim() === "");
    });
    main.replaceChildren(panel);
  }

  function take(person, guardian) {
    taken = [];
    const { pictures } = current();
    const { root, mirror } = livePicture();
    const verdict = el("p", { class: "verdict", role: "status", id: "verdict" });
    const report = el("table", {});
    const done = el("p", { class: "done", role: "status" });
    const problem = el("p", { class: "problem", role: "alert" });
    const hint = el("p", { class: "verdict" });
    const shoot = el("button", { type: "button", class: "primary", id: "shoot" });
    const name = () => {
      shoot.textContent = t("enrol.shoot", { n: taken.length + 1 });
      hint.textContent = t(`enrol.hint_${taken.length + 1}`);
    };
    name();
    shoot.addEventListener("click", async () => {
      shoot.disabled = true;
      problem.textContent = "";
      try {
        const one = await act("take");
        if (one.quality.flaws.length > 0) {
          problem.textContent = t("enrol.not_taken", { why: one.quality.flaws.map((flaw) => t(`flaw.${flaw}`)).join(", ") });
        } else {
          taken.push(one.id);
          done.textContent = taken.map((_, index) => t("enrol.done_picture", { n: index + 1 })).join(" · ");
        }
        if (taken.length === pictures) {
          mirror.stop();
          await finish(person, guardian);
          return;
        }
        name();
      } catch (error) {
        problem.textContent = why(error);
      }
      shoot.disabled = false;
    });
    main.replaceChildren(el("div", { class: "panel" }, ...heading("enrol.take", person),
      el("div", { class: "two" }, root,
        el("div", { class: "beside" }, hint, verdict, el("div", { class: "actions" }, shoot, cancel()), done, problem, report))));
    poll(report, "quality", (quality) => {
      const good = quality.flaws.length === 0;
      mirror.frame(null, good ? "ok" : "none");
      verdict.replaceChildren(mark(good, good ? t("enrol.good")
        : `${t("enrol.bad")}: ${quality.flaws.map((one) => t(`flaw.${one}`)).join(", ")}`));
      report.replaceChildren(...quality.measures.map((one) => row(t(`measure.${one.name}`),
        mark(one.good, t("measure.of", { value: figure(one.value, one.unit), limit: figure(one.limit, one.unit) })))));
    }, (error) => {
      verdict.textContent = why(error);
    }).finally(() => mirror.stop());
  }

  async function finish(person, guardian) {
    main.replaceChildren(el("div", { class: "panel" }, ...heading("enrol.result", person),
      el("p", { role: "status" }, t("enrol.making"))));
    let shown;
    try {
      const used = taken;
      taken = [];
      const result = await act("enrol", { person: person.id, taken: used, wording: current().consent,
        language: getLanguage(), agreed: true, ...(guardian === null ? {} : { guardian }) });
      const words = [t(`outcome.${result.outcome}`, { other: result.other }), ...result.flaws.map((one) => t(`flaw.${one}`))];
      shown = el("p", { class: result.outcome === "enrolled" ? "done" : "problem", role: "alert" },
        mark(result.outcome === "enrolled", words.join(", ")));
    } catch (error) {
      shown = el("p", { class: "problem", role: "alert" }, why(error));
    }
    main.replaceChildren(el("div", { class: "panel" }, ...heading("enrol.result", person), shown,
      el("div", { class: "actions" }, el("button", { type: "button", class: "primary", onclick: choose }, t("enrol.another")))));
  }

  choose();
  return leave;
}

function figure(value, unit) {
  return `${Number.isInteger(value) ? value : value.toFixed(2)} ${unit}`.trim();
}
