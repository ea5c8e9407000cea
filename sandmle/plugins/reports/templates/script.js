"use strict";
// Filtering and folding only: without this script the page shows everything and reads the same.
for (const form of document.querySelectorAll("form.filters")) {
  const items = [...document.querySelectorAll("#" + form.dataset.list + " .item")];
  const selects = [...form.querySelectorAll("select")];
  const output = form.querySelector("output");
  for (const select of selects) {
    const values = new Set(items.map((item) => item.dataset[select.name]));
    for (const value of [...values].sort()) select.add(new Option(value, value));
  }
  const apply = () => {
    let shown = 0;
    for (const item of items) {
      item.hidden = !selects.every((select) => !select.value || item.dataset[select.name] === select.value);
      if (!item.hidden) shown += 1;
    }
    output.textContent = shown + " of " + items.length + " shown";
  };
  form.addEventListener("change", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const button of form.querySelectorAll("button[data-fold]")) {
    button.addEventListener("click", () => {
      const open = button.dataset.fold === "open";
      for (const item of items) if (!open || !item.hidden) item.open = open;
    });
  }
  form.hidden = false;
  apply();
}
// A link from the matrix opens the trajectory it points to.
const reveal = () => {
  const target = document.getElementById(location.hash.slice(1));
  if (target && target.matches("details.episode")) {
    target.hidden = false;
    target.open = true;
    target.scrollIntoView();
  }
};
addEventListener("hashchange", reveal);
reveal();
