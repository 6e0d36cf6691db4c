// Explorable figures: on request, a Vega-Lite chart in the place of the picture, with a slider over values that were
// computed, focus on a series, zoom, the values as a table, and all of it in the page's address.
"use strict";

(() => {
  const base = new URL(".", document.currentScript.src);
  const prefix = "#explore=";

  const element = (name, attributes = {}, ...content) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...content);
    return made;
  };

  // Scripts, not requests: a page that was opened from a file may load nothing else.
  const loaded = new Map();
  const load = (url) => {
    if (!loaded.has(url)) {
      loaded.set(url, new Promise((done, failed) => {
        const script = element("script", { src: url });
        script.addEventListener("load", done);
        script.addEventListener("error", () => failed(new Error(`${url} could not be loaded`)));
        document.head.append(script);
      }));
    }
    return loaded.get(url);
  };

  const shown = (value, percent) => {
    if (value === null || value === undefined) return "";
    const size = Math.abs(value);
    if (percent) return `${(100 * value).toLocaleString("en", { maximumSignificantDigits: 3 })}\u202f%`;
    if (size && (size < 1e-4 || size >= 1e9)) return value.toExponential(2);
    return value.toLocaleString("en", { maximumSignificantDigits: size >= 1000 ? 7 : 4 });
  };

  const swatch = (colour, dash) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
    for (const [key, value] of Object.entries({ width: 28, height: 8, "aria-hidden": true, class: "rs-swatch" })) svg.setAttribute(key, value);
    for (const [key, value] of Object.entries({ x1: 0, x2: 28, y1: 4, y2: 4, stroke: colour, "stroke-width": 3, "stroke-dasharray": dash.join(" ") })) line.setAttribute(key, value);
    svg.append(line);
    return svg;
  };

  const last = (list) => list.length - 1;
  const nearest = (values, wanted) =>
    values.reduce((best, value, i) => (Math.abs(value - wanted) < Math.abs(values[best] - wanted) ? i : best), 0);

  class Explorer {
    constructor(ref, spec) {
      this.ref = ref;
      this.spec = spec;
      this.about = spec.usermeta.rollstate;
      this.rows = spec.data.values;
      this.state = this.initial();
      this.root = element("div", { class: "rs-explorer" });
      this.canvas = element("div", { class: "rs-vega" });
      this.readout = element("table", { class: "rs-readout" });
      const zoom = this.about.x.values.length > 2 ? "Drag across the chart to zoom, double-click to see all. " : "";
      const hint = element("p", { class: "rs-hint" }, `${zoom}Choose a name below to bring its line out.`);
      this.root.append(this.controls(), this.canvas, hint, element("div", { class: "rs-scroll" }, this.readout));
    }

    initial() {
      const { slider, x, y, choose } = this.about;
      return { at: slider.start, focus: "", x_from: x.values[0], x_to: x.values[last(x.values)], whole: !y.near, pick: choose ? choose.values[0] : "" };
    }

    // What differs from the start, as the address has it; what the chart does not know is ignored.
    address() {
      const start = this.initial();
      const out = new URLSearchParams();
      for (const [key, value] of Object.entries(this.state)) if (value !== start[key]) out.set(key, value);
      const rest = out.toString();
      return `${prefix}${this.ref}${rest ? `&${rest}` : ""}`;
    }

    restore(parts) {
      const { slider, x, y, series, choose } = this.about;
      const number = (key, values) => {
        const given = parseFloat(parts.get(key));
        if (Number.isFinite(given)) this.state[key] = values[nearest(values, given)];
      };
      this.state = this.initial();
      number("at", slider.values);
      number("x_from", x.values);
      number("x_to", x.values);
      if (this.state.x_from >= this.state.x_to) [this.state.x_from, this.state.x_to] = [x.values[0], x.values[last(x.values)]];
      if (series.names.includes(parts.get("focus"))) this.state.focus = parts.get("focus");
      if (choose) this.state.pick = choose.values.find((value) => String(value) === parts.get("pick")) ?? this.state.pick;
      if (y.near) this.state.whole = parts.get("whole") === "true";
    }

    range(label, key, one) {
      const input = element("input", { type: "range", min: 0, max: last(one.values), step: 1, name: key });
      const output = element("output");
      input.addEventListener("input", () => this.change({ [key]: one.values[input.value] }));
      const sync = () => {
        input.value = one.values.indexOf(this.state[key]);
        output.textContent = shown(this.state[key], one.percent);
        input.setAttribute("aria-valuetext", output.textContent);
      };
      return { node: element("label", {}, element("span", {}, label), input, output), sync };
    }

    controls() {
      const { slider, x, y, choose } = this.about;
      const made = [];
      if (choose) {
        const select = element("select", { name: "pick" }, ...choose.values.map((value, i) => element("option", { value: i }, String(value))));
        select.addEventListener("change", () => this.change({ pick: choose.values[select.value] }));
        made.push({ node: element("label", {}, element("span", {}, choose.label), select), sync: () => { select.value = choose.values.indexOf(this.state.pick); } });
      }
      made.push(this.range(slider.label, "at", slider));
      if (x.values.length > 2) {
        const zoom = [this.range("zoom along the axis, from", "x_from", x), this.range("to", "x_to", x)];
        made.push(...zoom);
      }
      if (y.near) {
        const input = element("input", { type: "checkbox", name: "whole" });
        input.addEventListener("change", () => this.change({ whole: input.checked }));
        made.push({ node: element("label", { class: "rs-switch" }, input, `whole range of the vertical axis`), sync: () => { input.checked = this.state.whole; } });
      }
      const reset = element("button", { type: "button" }, "Reset");
      reset.addEventListener("click", () => this.change(this.initial()));
      this.sync = () => made.forEach((one) => one.sync());
      return element("div", { class: "rs-controls", role: "group", "aria-label": "Controls of the chart" }, ...made.map((one) => one.node), reset);
    }

    async draw() {
      const values = this.state;
      const params = this.spec.params.map((one) => (one.name in values ? { ...one, value: values[one.name] } : one));
      const options = { actions: false, renderer: "svg", defaultStyle: false, tooltip: { disableDefaultStyle: true } };
      if (this.embedded) this.embedded.finalize();
      this.embedded = await window.vegaEmbed(this.canvas, { ...this.spec, params }, options);
      // One picture with the description of the figure; its numbers are in the table below.
      const svg = this.canvas.querySelector("svg");
      svg.setAttribute("role", "img");
      svg.setAttribute("aria-label", this.spec.description);
      for (const part of svg.children) part.setAttribute("aria-hidden", true);
      const view = this.embedded.view;
      let brushed = null;
      view.addSignalListener("brush", (_, value) => { brushed = value[this.about.x.field]; });
      view.addEventListener("pointerup", () => setTimeout(() => brushed && this.zoom(brushed)));
      view.addEventListener("dblclick", () => this.zoom([-Infinity, Infinity]));
      view.addEventListener("click", (_, item) => {
        const name = item && item.datum && item.datum[this.about.series.field];
        if (name) this.change({ focus: name === this.state.focus ? "" : name });
      });
      this.show();
    }

    // To the values that were computed just around what was brushed; drawn anew, which also removes the brush.
    zoom([low, high]) {
      const { values } = this.about.x;
      const from = Math.max(values.findLastIndex((value) => value <= low), 0);
      const found = values.findIndex((value) => value >= high);
      const to = found < 0 ? last(values) : found;
      if (from < to) Object.assign(this.state, { x_from: values[from], x_to: values[to] });
      this.keep();
      return this.draw();
    }

    change(given) {
      const { values } = this.about.x;
      const next = { ...this.state, ...given };
      // The two ends of the zoom stay apart by one value.
      if (next.x_from >= next.x_to) {
        if ("x_from" in given) next.x_from = values[Math.max(values.indexOf(next.x_to) - 1, 0)];
        else next.x_to = values[Math.min(values.indexOf(next.x_from) + 1, last(values))];
      }
      this.state = next;
      for (const [key, value] of Object.entries(next)) if (key !== "pick" || this.about.choose) this.embedded.view.signal(key, value);
      this.embedded.view.runAsync();
      this.keep();
      this.show();
    }

    keep() {
      history.replaceState(null, "", this.address());
    }

    // The row that the slider stands at, or in a step curve the last one before it.
    row(name) {
      const { slider, series, choose, step } = this.about;
      const own = this.rows.filter((row) => String(row[series.field]) === name && (!choose || row[choose.field] === this.state.pick));
      if (!step) return own.find((row) => row[slider.field] === this.state.at);
      return own.filter((row) => row[slider.field] <= this.state.at).reduce((a, b) => (a && a[slider.field] > b[slider.field] ? a : b), undefined);
    }

    show() {
      const { slider, x, y, series, interval } = this.about;
      this.sync();
      const extra = slider.field === x.field ? [] : [x];
      const heads = ["series", ...extra.map((one) => one.label), y.label, ...(interval.length ? ["interval"] : [])];
      const caption = element("caption", {}, `${slider.label}: ${shown(this.state.at, slider.percent)}`);
      const head = element("thead", {}, element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text))));
      const body = element("tbody");
      const focused = document.activeElement && document.activeElement.dataset.series;
      series.names.forEach((name, i) => {
        const row = this.row(name);
        if (!row) return;
        const button = element("button", { type: "button", "aria-pressed": this.state.focus === name, "data-series": name }, swatch(series.colours[i], series.dashes[i]), ` ${name}`);
        button.addEventListener("click", () => this.change({ focus: this.state.focus === name ? "" : name }));
        const ends = interval.map((field) => row[field]);
        const cells = [
          ...extra.map((one) => element("td", {}, shown(row[one.field], one.percent))),
          element("td", { "data-value": row[y.field] }, shown(row[y.field], y.percent)),
          ...(interval.length ? [element("td", {}, ends.includes(null) ? "" : ends.map((end) => shown(end, y.percent)).join(" to "))] : []),
        ];
        body.append(element("tr", {}, element("th", { scope: "row" }, button), ...cells));
      });
      this.readout.replaceChildren(caption, head, body);
      if (focused) [...this.readout.querySelectorAll("button")].find((one) => one.dataset.series === focused)?.focus();
    }
  }

  const attach = (holder) => {
    const { figure: ref, explore: url } = holder.dataset;
    const figure = holder.closest("figure");
    const image = figure.querySelector("img");
    const picture = image.closest("a") || image;
    const button = element("button", { type: "button", class: "rs-explore", "aria-expanded": false }, "Explore");
    const bar = figure.querySelector(".rs-tabs");
    if (bar) bar.append(button);
    else figure.prepend(element("div", { class: "rs-tabs" }, button));
    let explorer = null;
    const open = async (parts) => {
      const libraries = ["vega", "vega-lite", "vega-embed"].map((name) => new URL(`vega/${name}.min.js`, base).href);
      button.disabled = true;
      try {
        for (const one of libraries) await load(one);
        await load(new URL(url, document.baseURI).href);
        explorer ??= new Explorer(ref, window.rollstateExplore[ref]);
        if (parts) explorer.restore(parts);
        picture.hidden = true;
        picture.after(explorer.root);
        await explorer.draw();
        explorer.keep();
        button.textContent = "Static figure";
        button.setAttribute("aria-expanded", true);
      } catch (error) {
        explorer?.root.remove();
        picture.hidden = false;
        picture.after(element("p", { role: "alert" }, `This figure cannot be explored: ${error.message}.`));
      }
      button.disabled = false;
    };
    const close = () => {
      explorer.root.remove();
      picture.hidden = false;
      button.textContent = "Explore";
      button.setAttribute("aria-expanded", false);
      history.replaceState(null, "", figure.id ? `#${figure.id}` : location.pathname);
    };
    button.addEventListener("click", () => {
      // The chart is in the first tab.
      figure.querySelector('[role="tab"]')?.click();
      return picture.hidden ? close() : open(null);
    });
    return { ref, figure, open };
  };

  const figures = [...document.querySelectorAll("[data-explore]")].map(attach);
  const follow = async () => {
    if (!location.hash.startsWith(prefix)) return;
    const parts = new URLSearchParams(location.hash.slice(1));
    const found = figures.find((one) => one.ref === parts.get("explore"));
    if (!found) return;
    await found.open(parts);
    found.figure.scrollIntoView();
  };
  window.addEventListener("hashchange", follow);
  follow();
})();
