// A container whose children are patched one by one, each by its key. See cloud/ui/live.py.
export default {
  template: "<div></div>",
  props: { items: Array, version: Number },
  mounted() {
    this.nodes = new Map();
    this.seen = this.version;
    this.place(this.items);
    this.$el.addEventListener("click", (event) => {
      const button = event.target.closest("[data-act]");
      if (!button || button.matches("form, input, select, textarea") || button.disabled) return;
      event.preventDefault();
      if (button.getAttribute("aria-busy") === "true") return;
      this.act(button, button.closest("form"));
    });
    this.$el.addEventListener("submit", (event) => {
      const form = event.target.closest("form[data-act]");
      if (!form) return;
      event.preventDefault();
      this.act(form, form);
    });
    this.$el.addEventListener("change", (event) => {
      if (event.target.matches("select[data-act], input[type=checkbox][data-act]")) this.act(event.target, null);
    });
    this.$el.addEventListener("input", (event) => {
      if (!event.target.matches("input[data-act]:not([type=checkbox])")) return;
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.act(event.target, null), 200);
    });
  },
  updated() {
    // Anything else on the page that changes renders this too, with properties that are older than the last patch.
    if (this.version > this.seen) {
      this.seen = this.version;
      this.place(this.items);
    }
  },
  methods: {
    act(source, form) {
      const fields = form ? Object.fromEntries(new FormData(form)) : {};
      if (source.name) fields[source.name] = source.type === "checkbox" ? String(source.checked) : source.value;
      if (source.matches("button")) {
        source.setAttribute("aria-busy", "true");
        setTimeout(() => source.removeAttribute("aria-busy"), 5000);
      }
      this.$emit("act", { act: source.dataset.act, id: source.dataset.id || "", fields });
    },
    settled() {
      this.$el.querySelectorAll("[aria-busy=true]").forEach((node) => node.removeAttribute("aria-busy"));
    },
    place(items) {
      this.change(Object.fromEntries(items), items.map(([key]) => key));
    },
    patch(version, changed, order) {
      if (version <= this.seen) return;
      this.seen = version;
      this.change(changed, order);
    },
    change(changed, order) {
      const linli = window.linli;
      for (const [key, html] of Object.entries(changed)) {
        const node = linli.parse(html);
        const old = this.nodes.get(key);
        if (old) {
          this.nodes.set(key, linli.morph(old, node));
        } else {
          this.nodes.set(key, node);
        }
      }
      if (order) {
        const wanted = new Set(order);
        for (const [key, node] of this.nodes) {
          if (!wanted.has(key)) {
            node.remove();
            this.nodes.delete(key);
          }
        }
        let at = this.$el.firstElementChild;
        for (const key of order) {
          const node = this.nodes.get(key);
          if (node === at) {
            at = at.nextElementSibling;
          } else {
            const fresh = !node.isConnected;
            this.$el.insertBefore(node, at);
            if (fresh) linli.settle(node);
          }
        }
      }
      this.$el.querySelectorAll("[data-age], [data-until]").length && linli.settle(this.$el);
    },
  },
};
