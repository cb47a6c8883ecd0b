// Makes a report's tables sort, draws its charts (with Plot, see README.md) and switches between light and dark.
"use strict";
(() => {
    const DASHES = ["none", "8 3", "2 3", "8 3 2 3", "12 4", "4 4", "1 4", "10 2 2 2 2 2"];
    // Drawn by hand in a box from −1 to 1, so that plot and legend have the same.
    const SYMBOLS = ["circle", "square", "triangle", "diamond", "plus", "star", "times", "wye"];
    const status = document.getElementById("status");
    const charts = JSON.parse(document.getElementById("report-data").textContent);
    const colour = (k) => `var(--series-${k % 8})`;
    // Where colours come again, symbols and dashes are others.
    const variant = (k) => (k + Math.floor(k / 8)) % 8;

    function format({ kind, digits }) {
        return (x) => {
            if (x === null || x === undefined || !Number.isFinite(x)) return "–";
            const text = (kind === "percent" ? x * 100 : x).toFixed(digits).replace("-", "−");
            const isZero = !/[1-9]/.test(text);
            const sign = kind === "signed" && x > 0 && !isZero ? "+" : "";
            return sign + (isZero ? text.replace("−", "") : text) + (kind === "percent" ? "\u00a0%" : "");
        };
    }

    // ---- tables

    function makeSortable(table) {
        const headers = [...table.tHead.rows[0].cells];
        headers.forEach((header, column) => {
            const button = document.createElement("button");
            button.type = "button";
            button.textContent = header.textContent;
            header.replaceChildren(button);
            button.addEventListener("click", () => {
                const isUp = header.getAttribute("aria-sort") !== "ascending";
                headers.forEach((other) => other.removeAttribute("aria-sort"));
                header.setAttribute("aria-sort", isUp ? "ascending" : "descending");
                sortRows(table, column, isUp ? 1 : -1);
                status.textContent = `Sorted by ${button.textContent}, ${isUp ? "ascending" : "descending"}.`;
            });
        });
    }

    function sortRows(table, column, direction) {
        const key = (row) => {
            const { v } = row.cells[column].dataset;
            const text = row.cells[column].textContent;
            const isMissing = v === "" || (v === undefined && text === "–");
            return { row, isMissing, number: v === undefined ? Number(text) : Number(v), text };
        };
        const compare = (a, b) => {
            if (a.isMissing || b.isMissing) return Number(a.isMissing) - Number(b.isMissing);
            const isText = Number.isNaN(a.number) || Number.isNaN(b.number);
            return direction * (isText ? a.text.localeCompare(b.text) : a.number - b.number);
        };
        const body = table.tBodies[0];
        body.append(...[...body.rows].map(key).sort(compare).map(({ row }) => row));
    }

    // ---- charts: one function per kind; each gives what has to stand in the chart's place

    const base = (chart, width) => ({
        width,
        ariaLabel: chart.title,
        style: { background: "none", color: "var(--ink)", fontFamily: "inherit", fontSize: "12px" },
        marginLeft: 52,
        marginBottom: 42,
        marginTop: 28,
    });

    /** A hover of one title, no wider than the chart. */
    const tip = (data, pointer, width, channels) =>
        Plot.tip(
            data,
            pointer({
                ...channels, title: "text", fill: "var(--page)", stroke: "var(--quiet)", fontSize: 12,
                lineWidth: Math.min(26, (width - 60) / 13),
            }),
        );

    // Plot puts a label beside the axis, which it does not break: phones have no room for long ones.
    function yLabel(axis, width) {
        const room = Math.floor((width - 60) / 6.5);
        const short = axis.label.length > room ? axis.label.split(" (")[0] : axis.label;
        return { label: short.length > room ? short.slice(0, room - 1) + "…" : short, labelArrow: "none" };
    }

    const numbers = (axis, width) => ({ ...yLabel(axis, width), tickFormat: format(axis.format), grid: true });

    /** Every so many categories that their names do not touch. */
    function categoryScale(chart, width) {
        const longest = Math.max(1, ...chart.categories.map((name) => name.length));
        const room = Math.max(1, Math.floor((width - 70) / (longest * 7 + 8)));
        const step = [1, 2, 5, 10, 20, 50, 100].find((s) => chart.categories.length / s <= room) ?? 200;
        const all = chart.categories.map((_, i) => i);
        return {
            type: "band",
            domain: all,
            ticks: all.filter((i) => i % step === 0),
            tickFormat: (i) => chart.categories[i],
            tickSize: 3,
            padding: all.length > 60 ? 0 : 0.12,
            label: chart.x.label,
            labelArrow: "none",
            labelAnchor: "center",
        };
    }

    const categoryTitle = (chart, i) => `${chart.x.label} ${chart.categories[i]}: ${chart.details[i] ?? ""}`;

    function drawStackedBars(chart, width) {
        const text = format(chart.y.format);
        const parts = chart.series.flatMap((s, k) => s.values.map((y, i) => ({ i, y, k })));
        const top = chart.categories.map((_, i) => ({
            i,
            y: chart.total?.values[i] ?? 0,
            text: [
                categoryTitle(chart, i),
                ...[...chart.series, ...(chart.total ? [chart.total] : [])].map((s) => `${s.name}  ${text(s.values[i])}`),
            ].join("\n"),
        }));
        return Plot.plot({
            ...base(chart, width),
            height: 340,
            x: categoryScale(chart, width),
            y: numbers(chart.y, width),
            marks: [
                Plot.barY(parts, { x: "i", y: "y", z: "k", fill: (d) => `url(#pattern-${d.k % 8})` }),
                Plot.ruleY([0], { stroke: "var(--ink)" }),
                chart.total ? Plot.tickY(top, { x: "i", y: "y", stroke: "var(--ink)", strokeWidth: 3 }) : null,
                tip(top, Plot.pointerX, width, { x: "i", y: "y" }),
            ],
        });
    }

    function drawBars(chart, width) {
        const text = format(chart.y.format);
        const bars = chart.values.map((y, i) => ({ i, y, text: `${categoryTitle(chart, i)}\n${chart.y.label}  ${text(y)}` }));
        return Plot.plot({
            ...base(chart, width),
            height: 260,
            x: categoryScale(chart, width),
            y: numbers(chart.y, width),
            marks: [
                Plot.barY(bars, { x: "i", y: "y", fill: colour(0) }),
                Plot.ruleY([0], { stroke: "var(--ink)" }),
                tip(bars, Plot.pointerX, width, { x: "i", y: "y" }),
            ],
        });
    }

    function drawLines(chart, width) {
        const [x, y] = [format(chart.x.format), format(chart.y.format)];
        const lines = chart.series.map((s) => s.points.map(([px, py]) => ({ x: px, y: py })));
        const at = new Map();
        chart.series.forEach((s) => s.points.forEach(([px, py]) => at.set(px, [...(at.get(px) ?? []), [s.name, py]])));
        const stops = [...at].map(([px, values]) => ({
            x: px,
            y: Math.max(...values.map(([, py]) => py ?? 0)),
            text: [`${chart.x.label} ${x(px)}`, ...values.map(([name, py]) => `${name}  ${y(py)}`)].join("\n"),
        }));
        return Plot.plot({
            ...base(chart, width),
            height: 300,
            x: { label: chart.x.label, labelAnchor: "center", labelArrow: "none", tickFormat: x, ticks: width / 70 },
            y: numbers(chart.y, width),
            marks: [
                ...lines.map((data, k) =>
                    Plot.line(data, { x: "x", y: "y", stroke: colour(k), strokeWidth: 2, strokeDasharray: DASHES[variant(k)] }),
                ),
                tip(stops, Plot.pointerX, width, { x: "x", y: "y" }),
            ],
        });
    }

    function drawScatter(chart, width) {
        const [x, y] = [format(chart.x.format), format(chart.y.format)];
        const points = chart.series.map((s) =>
            s.points.map((p) => ({ ...p, text: `${s.name}\n${p.label}\n${chart.x.label}  ${x(p.x)}\n${chart.y.label}  ${y(p.y)}` })),
        );
        const rings = chart.highlights.map((h) => ({ ...points[h.series][h.point], name: h.label }));
        const chosen = rings[0];
        // The name of the first of them stands on the side where there is room.
        const xs = points.flat().map((p) => p.x);
        const share = chosen && (chosen.x - Math.min(...xs)) / (Math.max(...xs) - Math.min(...xs) || 1);
        const textAnchor = share < 0.3 ? "start" : share > 0.7 ? "end" : "middle";
        const mark = (k) => ({ symbol: SYMBOLS[variant(k)], stroke: colour(k), r: 4, strokeWidth: 1.5 });
        return Plot.plot({
            ...base(chart, width),
            height: Math.min(460, Math.max(320, width * 0.6)),
            inset: 12,
            x: { ...numbers(chart.x, width), labelAnchor: "center", ticks: width / 90 },
            y: numbers(chart.y, width),
            marks: [
                chart.x_reference === null ? null : Plot.ruleX([chart.x_reference], { stroke: "var(--ink)", strokeDasharray: "4 3" }),
                ...chart.series.map((s, k) =>
                    Plot.line(s.front.map((i) => points[k][i]), {
                        x: "x", y: "y", stroke: colour(k), strokeWidth: 2, strokeDasharray: DASHES[variant(k)],
                    }),
                ),
                ...points.map((data, k) => Plot.dot(data, { x: "x", y: "y", ...mark(k), fill: "var(--page)" })),
                ...(chosen
                    ? [
                          Plot.dot(rings, { x: "x", y: "y", r: 10, stroke: "var(--ink)", strokeWidth: 2.5 }),
                          Plot.text([chosen], {
                              x: "x", y: "y", text: "name", textAnchor, dy: -18, fill: "var(--ink)", stroke: "var(--page)", strokeWidth: 4,
                              fontWeight: 600, lineWidth: 20, textOverflow: "ellipsis",
                          }),
                      ]
                    : []),
                tip(points.flat(), Plot.pointer, width, { x: "x", y: "y" }),
            ],
        });
    }

    function drawIntervals(chart, width) {
        const text = format(chart.x.format);
        const holds = (r) => chart.reference !== null && r.low <= chart.reference && chart.reference <= r.high;
        const rows = chart.rows.map((r, i) => ({
            ...r,
            i,
            isHollow: holds(r),
            name: r.label,
            text: `${r.label}\n${text(r.value)}, from ${text(r.low)} to ${text(r.high)}`,
        }));
        const centre = { y: "i", stroke: colour(0) };
        return Plot.plot({
            ...base(chart, width),
            height: rows.length * 46 + 60,
            marginLeft: 14,
            marginRight: 14,
            marginTop: 14,
            inset: 8,
            x: { ...numbers(chart.x, width), labelAnchor: "center", ticks: width / 90, nice: true },
            y: { type: "band", domain: rows.map((r) => r.i), axis: null },
            marks: [
                chart.reference === null ? null : Plot.ruleX([chart.reference], { stroke: "var(--ink)", strokeDasharray: "4 3" }),
                Plot.text(rows, {
                    y: "i", text: "name", frameAnchor: "left", dx: 6, dy: -13, fill: "var(--ink)", stroke: "var(--page)", strokeWidth: 4,
                }),
                Plot.ruleY(rows, { ...centre, x1: "low", x2: "high", strokeWidth: 3, dy: 4 }),
                Plot.dot(rows, { ...centre, x: "value", r: 6, strokeWidth: 3, dy: 4, fill: (r) => (r.isHollow ? "var(--page)" : colour(0)) }),
                tip(rows, Plot.pointerY, width, { x: "value", y: "i" }),
            ],
        });
    }

    /** A colour as the library can mix it: what a custom property comes to in this theme. */
    function resolved(property) {
        const probe = document.createElement("span");
        probe.style.color = `var(${property})`;
        document.body.append(probe);
        const { color } = getComputedStyle(probe);
        probe.remove();
        return color;
    }

    function drawHeatMaps(chart, width) {
        const columns = chart.maps.length > 1 && width > 656 ? 2 : 1;
        const side = Math.min(460, Math.floor((width - 16 * (columns - 1)) / columns));
        const range = ["--heat-low", "--heat-middle", "--heat-high"].map(resolved);
        const [low, high] = chart.range;
        return chart.maps.map((map) => {
            const n = map.values.length;
            const step = [1, 2, 5, 10, 20, 50, 100].find((s) => n / s <= side / 40) ?? 200;
            const ticks = [...Array(n).keys()].filter((i) => i % step === 0).map((i) => i + 0.5);
            const axis = { domain: [0, n], ticks, tickFormat: (v) => String(v - 0.5), tickSize: 3, labelArrow: "none" };
            const plot = Plot.plot({
                ...base(chart, side),
                ariaLabel: `${chart.title}: ${map.title}`,
                height: side - 4,
                marginTop: 24,
                marginRight: 8,
                marginBottom: 34,
                marginLeft: 40,
                x: { ...axis, label: chart.axis.label, labelAnchor: "center" },
                y: { ...axis, domain: [n, 0], label: chart.axis.label },
                color: { type: "linear", domain: [low, (low + high) / 2, high], range, clamp: true },
                marks: [
                    Plot.raster(map.values.flat(), {
                        width: n, height: n, x1: 0, y1: 0, x2: n, y2: n, imageRendering: "pixelated", interpolate: "none",
                    }),
                ],
            });
            const box = document.createElement("div");
            box.className = "map";
            const title = document.createElement("h4");
            title.textContent = map.title;
            box.append(title, plot);
            hoverCells(box, plot, map, chart, n);
            return box;
        });
    }

    function hoverCells(box, plot, map, chart, n) {
        const text = format(chart.scale.format);
        const hover = document.createElement("div");
        hover.className = "hover";
        hover.hidden = true;
        box.style.position = "relative";
        box.append(hover);
        const [x, y] = [plot.scale("x"), plot.scale("y")];
        const show = (event) => {
            const frame = plot.getBoundingClientRect();
            const zoom = frame.width / plot.viewBox.baseVal.width;
            const [column, row] = [
                Math.floor(x.invert((event.clientX - frame.left) / zoom)),
                Math.floor(y.invert((event.clientY - frame.top) / zoom)),
            ];
            const isInside = column >= 0 && column < n && row >= 0 && row < n;
            hover.hidden = !isInside;
            if (!isInside) return;
            hover.textContent = `${map.names[row]}\n${map.names[column]}\n${chart.scale.label}  ${text(map.values[row][column])}`;
            const at = box.getBoundingClientRect();
            const left = Math.min(event.clientX - at.left + 12, at.width - hover.offsetWidth);
            hover.style.left = `${Math.max(0, left)}px`;
            hover.style.top = `${event.clientY - at.top + 16}px`;
        };
        plot.addEventListener("pointermove", show);
        plot.addEventListener("pointerdown", show);
        plot.addEventListener("pointerleave", () => (hover.hidden = true));
    }

    const DRAW = {
        stacked_bars: drawStackedBars,
        bars: drawBars,
        lines: drawLines,
        scatter: drawScatter,
        intervals: drawIntervals,
        heat_maps: drawHeatMaps,
    };

    function draw() {
        // A window without a size, as a tab in the background can be: the event that gives it one draws.
        if (document.body.clientWidth < 100) return;
        for (const place of document.querySelectorAll("[data-chart]")) {
            const chart = charts[place.dataset.chart];
            const width = place.clientWidth;
            place.classList.toggle("maps", chart.kind === "heat_maps");
            const drawn = [DRAW[chart.kind](chart, width)].flat();
            for (const svg of drawn.flatMap((node) => (node.matches("svg") ? [node] : [...node.querySelectorAll("svg")]))) {
                svg.setAttribute("role", "img");
                svg.setAttribute("aria-describedby", `c${place.dataset.chart}-summary`);
                // The library names groups inside a picture, where nobody may look for names.
                for (const group of svg.querySelectorAll("g[aria-label]")) {
                    group.classList.add(...group.getAttribute("aria-label").split(" "));
                    group.removeAttribute("aria-label");
                }
            }
            place.replaceChildren(...drawn);
        }
        document.documentElement.dataset.drawn = String(charts.length);
    }

    function drawSwatches() {
        for (const [selector, mark] of [
            ["[data-symbol]", (k) => Plot.dot([0], { x: 8, y: 8, r: 5, symbol: SYMBOLS[variant(k)], stroke: colour(k), strokeWidth: 2 })],
            ["[data-dash]", (k) => Plot.ruleY([8], { x1: 0, x2: 28, stroke: colour(k), strokeWidth: 3, strokeDasharray: DASHES[variant(k)] })],
        ]) {
            for (const place of document.querySelectorAll(selector)) {
                const k = Number(place.dataset.symbol ?? place.dataset.dash);
                const width = place.dataset.dash ? 28 : 16;
                const svg = Plot.plot({
                    width, height: 16, margin: 0, axis: null,
                    x: { type: "identity" }, y: { type: "identity" },
                    style: { background: "none" }, marks: [mark(k)],
                });
                svg.setAttribute("aria-hidden", "true");
                svg.style.width = `${width}px`;
                place.replaceWith(svg);
            }
        }
    }

    // ---- light and dark

    const prefersDark = matchMedia("(prefers-color-scheme: dark)");
    const toggle = document.getElementById("theme");
    const isDark = () => (document.documentElement.dataset.theme ?? (prefersDark.matches ? "dark" : "light")) === "dark";

    function showTheme() {
        toggle.textContent = isDark() ? "Switch to light" : "Switch to dark";
        draw();
    }

    toggle.hidden = false;
    toggle.addEventListener("click", () => {
        document.documentElement.dataset.theme = isDark() ? "light" : "dark";
        showTheme();
    });
    prefersDark.addEventListener("change", showTheme);

    document.querySelectorAll("table.sortable").forEach(makeSortable);
    drawSwatches();
    showTheme();
    let width = document.body.clientWidth;
    addEventListener("resize", () => {
        if (document.body.clientWidth !== width) {
            width = document.body.clientWidth;
            draw();
        }
    });
})();
