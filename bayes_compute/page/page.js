"use strict";
const { data, layout, all } = JSON.parse(document.getElementById("chart-data").textContent);
const chart = document.getElementById("chart");
// A finger that drags scrolls the page; browsers report its tap twice, which is no double click.
const finger = matchMedia("(pointer: coarse)").matches;
layout.dragmode = finger ? false : "zoom";
document.documentElement.classList.add("live");
Plotly.newPlot(chart, data, layout, {
  responsive: true,
  displaylogo: false,
  doubleClick: finger ? false : "reset",
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
});
for (const event of ["plotly_hover", "plotly_click"]) {
  chart.on(event, ({ points: [point] }) => say(point.customdata));
}

for (const button of document.querySelectorAll("[data-era]")) {
  button.addEventListener("click", () => {
    const visible = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(visible));
    const era = Number(button.dataset.era);
    const traces = data.flatMap((trace, k) => (trace.meta.era === era ? [k] : []));
    Plotly.restyle(chart, { visible }, traces);
  });
}
document.getElementById("all").addEventListener("click", () => {
  Plotly.relayout(chart, { "xaxis.range": [...all[0]], "yaxis.range": [...all[1]] });
});

// Without a mouse: the arrow keys go from system to system, in the order of dates.
let at;
chart.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step || event.target !== chart) return;
  event.preventDefault();
  const [left, right] = chart.layout.xaxis.range.map(time);
  const shown = data
    .flatMap((trace, curveNumber) =>
      trace.meta.systems && trace.visible !== false
        ? trace.x.map((x, pointNumber) => ({ curveNumber, pointNumber, x: time(x) }))
        : [],
    )
    .filter(({ x }) => left <= x && x <= right)
    .sort((a, b) => a.x - b.x);
  const now = shown.findIndex(
    (point) => point.curveNumber === at?.curveNumber && point.pointNumber === at.pointNumber,
  );
  at = shown[Math.min(Math.max(now + step, 0), shown.length - 1)];
  if (!at) return;
  Plotly.Fx.hover(chart, [at]); // which is no event
  say(data[at.curveNumber].customdata[at.pointNumber]);
});

function say(text) {
  document.getElementById("told").textContent = text;
}

function time(date) {
  return Date.parse(String(date).replace(" ", "T"));
}
