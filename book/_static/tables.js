// Result tables sort by a click on a column's head; lists of numbers and figures are filtered as one types.
"use strict";

(() => {
  const number = (text) => {
    const plain = text.trim().replace(/[\u202f\u00a0, ]/g, "").replace(/\u2212/g, "-").replace(/×10\^?/, "e");
    const found = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?/i.exec(plain);
    return found ? parseFloat(found[0]) : NaN;
  };

  // Numbers before words, each in their order; what is empty comes last both ways.
  const compare = (a, b, sign) => {
    const empty = (text) => text.trim() === "";
    if (empty(a) || empty(b)) return empty(a) - empty(b);
    const [x, y] = [number(a), number(b)];
    if (Number.isNaN(x) !== Number.isNaN(y)) return sign * (Number.isNaN(x) - Number.isNaN(y));
    return sign * (Number.isNaN(x) ? a.localeCompare(b, "en", { numeric: true }) : x - y);
  };

  const text = (row, column) => {
    const cell = row.cells[column];
    const shown = cell.querySelector(".rs-num > a");
    return (shown || cell).textContent;
  };

  const sortable = (table) => {
    const body = table.tBodies[0];
    if (!table.tHead || !body || body.rows.length < 2 || table.querySelector("[rowspan], [colspan]")) return;
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "rs-sort";
      button.append(...(head.querySelector("p") || head).childNodes);
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = [...body.rows].sort((a, b) => compare(text(a, column), text(b, column), up ? 1 : -1));
        body.append(...rows);
      });
    });
  };

  const filtered = (list) => {
    const items = () => [...list.querySelectorAll("table.rs-table > tbody > tr, .rs-figure-item")];
    const box = document.createElement("div");
    box.className = "rs-filter";
    const label = document.createElement("label");
    label.textContent = "Filter ";
    const input = document.createElement("input");
    input.type = "search";
    const said = document.createElement("output");
    label.append(input);
    box.append(label, said);
    list.before(box);
    const apply = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const item of items()) {
        const content = item.textContent.toLowerCase();
        item.hidden = !words.every((word) => content.includes(word));
        shown += !item.hidden;
      }
      for (const table of list.querySelectorAll("table.rs-table")) {
        const part = table.closest(".pst-scrollable-table-container") || table;
        part.hidden = ![...table.tBodies[0].rows].some((row) => !row.hidden);
      }
      said.textContent = `${shown} of ${items().length}`;
    };
    input.addEventListener("input", apply);
    apply();
  };

  // A table that a script has just shown.
  document.addEventListener("rs-table", (event) => sortable(event.target));

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("table.rs-table").forEach(sortable);
    document.querySelectorAll(".rs-list").forEach(filtered);
  });
})();
