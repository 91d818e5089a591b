// A click on a column's head sorts its table: numbers and times by value, text by the page's language.
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const collator = new Intl.Collator(document.documentElement.lang, {numeric: true});
  heads.forEach((head, column) => {
    // A button is not painted in heads that are repeated on paper; a span is.
    const button = document.createElement("span");
    button.setAttribute("role", "button");
    button.tabIndex = 0;
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      button.click();
    });
    button.addEventListener("click", () => {
      const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
      const value = (row) => row.cells[column].dataset.key ?? row.cells[column].textContent;
      const numeric = (text) => text !== "" && !Number.isNaN(Number(text));
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        if (numeric(x) && numeric(y)) return direction * (Number(x) - Number(y));
        return direction * collator.compare(x, y);
      });
      body.append(...rows);
    });
  });
}
