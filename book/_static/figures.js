// Boxes of figures: tabs for chart, table, download and citation, and a picture that a tap enlarges.
"use strict";

(() => {
  const element = (name, attributes = {}, ...content) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...content);
    return made;
  };

  // Arrows, Home and End move between tabs, as the ARIA pattern of tabs has it.
  const keys = (list, tabs) => (event) => {
    const at = tabs.indexOf(event.target);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const tab = tabs[(to + tabs.length) % tabs.length];
    tab.click();
    tab.focus();
  };

  const table = (template) => {
    const box = element("div", { class: "rs-scroll", tabindex: "0", role: "region", "aria-label": "data of the figure" });
    const content = template.content.cloneNode(true);
    const rows = content.querySelector("table");
    box.append(rows);
    const out = [...content.children, box];
    return { out, ready: () => rows.dispatchEvent(new Event("rs-table", { bubbles: true })) };
  };

  const enlarge = (picture) => {
    const dialog = element("dialog", { class: "rs-large", "aria-label": "figure, enlarged" });
    const close = element("button", { type: "button", class: "rs-close" }, "Close");
    const view = element("div", { class: "rs-scroll", tabindex: "0", role: "region", "aria-label": picture.alt });
    const copy = picture.cloneNode();
    copy.loading = "eager";
    view.append(copy);
    dialog.append(close, view);
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  };

  const build = (template) => {
    const figure = template.closest("figure");
    const picture = figure.querySelector("img");
    const links = figure.querySelector(".rs-figure-links");
    const cite = links.querySelector("details");
    const parts = [
      ["Chart", () => [picture]],
      ["Table", () => table(template)],
      ["Download", () => [element("p", { class: "rs-files" }, ...[...links.querySelectorAll("a[download]")].flatMap((a) => [a, " "]))]],
      ["Cite", () => [cite.querySelector("pre")]],
    ];
    const list = element("div", { class: "rs-tablist", role: "tablist", "aria-label": "This figure" });
    const bar = element("div", { class: "rs-tabs" }, list);
    const panels = parts.map(([name, content], number) => {
      const id = `${figure.id}-${name.toLowerCase()}`;
      const first = number === 0;
      const tab = element("button", { type: "button", role: "tab", id: `${id}-tab`, "aria-controls": id, "aria-selected": first, tabindex: first ? 0 : -1 }, name);
      const panel = element("div", { role: "tabpanel", id, "aria-labelledby": `${id}-tab`, class: "rs-panel" });
      panel.hidden = !first;
      let filled = name !== "Table";
      if (filled) panel.append(...content());
      tab.addEventListener("click", () => {
        if (!filled) {
          const { out, ready } = content();
          panel.append(...out);
          ready();
          filled = true;
        }
        for (const other of list.children) {
          const chosen = other === tab;
          other.setAttribute("aria-selected", chosen);
          other.tabIndex = chosen ? 0 : -1;
          document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
        }
      });
      list.append(tab);
      return panel;
    });
    list.addEventListener("keydown", keys(list, [...list.children]));
    panels[3].querySelector("pre").tabIndex = 0;
    cite.remove();
    const larger = element("button", { type: "button", class: "rs-enlarge" }, "Enlarge");
    for (const one of [larger, picture]) one.addEventListener("click", () => enlarge(picture));
    bar.append(larger);
    figure.prepend(bar, ...panels);
  };

  document.querySelectorAll("figure template.rs-data").forEach(build);
})();
