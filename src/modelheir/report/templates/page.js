"use strict";
// Sorting and filtering only: the page says everything without it.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending" || (!head.hasAttribute("aria-sort") && head.classList.contains("number"));
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
      const compare = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = isNaN(x) || isNaN(y) ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
        return down ? -order : order;
      };
      const body = table.tBodies[0];
      body.append(...[...body.rows].sort(compare));
    });
  });
}
const filters = document.querySelector(".filters");
if (filters) {
  const cards = [...document.querySelectorAll(".flip")];
  const [label, kind] = filters.querySelectorAll("select");
  const said = filters.querySelector("output");
  const show = () => {
    let seen = 0;
    for (const card of cards) {
      const fits = (label.selectedIndex === 0 || card.dataset.label === label.value) && (kind.selectedIndex === 0 || card.dataset.kind === kind.value);
      card.hidden = !fits;
      seen += fits;
    }
    said.textContent = `${seen} of ${cards.length} shown`;
  };
  filters.addEventListener("change", show);
  filters.hidden = false;
  show();
}
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));
