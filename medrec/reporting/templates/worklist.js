(() => {
  "use strict";
  const body = document.querySelector(".worklist tbody");
  const box = document.getElementById("filter");
  const shown = document.getElementById("shown");
  const rows = Array.from(body.rows);
  const apply = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let visible = 0;
    let unread = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      if (!row.hidden) visible += 1;
      else if (row.dataset.judged === "no") unread += 1;
    }
    shown.textContent = `${visible} of ${rows.length} cases shown` + (unread ? `; the filter hides ${unread} that were not judged` : "");
  };
  const sort = (header, index) => {
    const up = header.getAttribute("aria-sort") === "descending";
    for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => row.cells[index].dataset.sort ?? row.cells[index].textContent.trim();
    const compare = (a, b) => {
      const x = value(a), y = value(b);
      return x !== "" && y !== "" && !isNaN(x) && !isNaN(y) ? x - y : String(x).localeCompare(String(y));
    };
    rows.sort((a, b) => (up ? compare(a, b) : compare(b, a)));
    body.append(...rows);
  };
  document.querySelectorAll(".worklist th").forEach((header, index) => {
    const button = header.querySelector("button");
    if (button) button.addEventListener("click", () => sort(header, index));
  });
  box.addEventListener("input", apply);
  document.querySelector(".tools").hidden = false;
  apply();
})();
