// Looks at a page from inside and lists what is wrong with it. Evaluated by the tests, never part of a report.
(() => {
    const wrong = [];
    const tell = (what, element) => wrong.push(`${what}: ${element?.outerHTML?.slice(0, 160) ?? ""}`);
    // Not innerWidth: a phone zooms out to what is too wide, and innerWidth grows with it.
    const edge = document.documentElement.clientWidth;
    const all = (selector) => [...document.querySelectorAll(selector)];

    // Colours as numbers, whatever notation they come in.
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return canvas.getImageData(0, 0, 1, 1).data;
    };
    // WCAG 2.2, relative luminance and contrast ratio.
    const luminance = (colour) => {
        const [r, g, b] = [...rgba(colour)].slice(0, 3).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (a, b) => {
        const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
        return (high + 0.05) / (low + 0.05);
    };
    const behind = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const { backgroundColor } = getComputedStyle(e);
            if (rgba(backgroundColor)[3] === 255) return backgroundColor;
        }
        return "white";
    };

    // Text has a contrast of 4.5 : 1.
    let nTexts = 0;
    for (const element of all("body *")) {
        const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== "");
        if (!hasText || element.closest("script, style, noscript") || element.getClientRects().length === 0) continue;
        const style = getComputedStyle(element);
        const colour = element.namespaceURI.endsWith("svg") ? style.fill : style.color;
        if (colour === "none") continue;
        nTexts += 1;
        const found = contrast(colour, behind(element));
        if (found < 4.5) tell(`contrast ${found.toFixed(2)}`, element);
    }
    if (nTexts < 10) tell(`only ${nTexts} texts seen`);
    // Marks of charts have 3 : 1.
    const probe = document.createElement("span");
    document.body.append(probe);
    for (let k = 0; k < 8; k++) {
        probe.style.color = `var(--series-${k})`;
        const found = contrast(getComputedStyle(probe).color, behind(probe));
        if (found < 3) tell(`series ${k} has contrast ${found.toFixed(2)}`);
    }
    probe.remove();

    // Every chart is drawn: something to see in it, as wide as its place.
    for (const place of all("[data-chart]")) {
        const pictures = [...place.querySelectorAll("svg[role=img]")];
        if (pictures.length === 0) tell("no picture", place);
        for (const svg of pictures) {
            const marks = svg.querySelectorAll(".bar rect, .dot path, .dot circle, .line path, image");
            const box = svg.getBoundingClientRect();
            if (marks.length === 0) tell("no marks", svg);
            if (box.width < 150 || box.height < 50) tell(`a picture of ${box.width} × ${box.height}`, svg);
            if (box.right > edge + 1) tell("a picture past the edge", svg);
            if (!svg.getAttribute("aria-label")) tell("a picture without a name", svg);
            if (!document.getElementById(svg.getAttribute("aria-describedby"))?.textContent) tell("a picture that nobody describes", svg);
            for (const path of svg.querySelectorAll("path, rect, line")) {
                if (/NaN|undefined/.test([...path.attributes].map((a) => a.value).join(" "))) tell("a mark that is no number", path);
            }
        }
        if (!place.closest("figure").querySelector("details table tbody tr")) tell("a chart without its numbers", place);
    }

    // Structure.
    if (!document.documentElement.lang) tell("no language");
    if (all("h1").length !== 1 || all("main").length !== 1) tell("not one h1 and one main");
    all("h1, h2, h3, h4, h5, h6").reduce((before, heading) => {
        const level = Number(heading.tagName[1]);
        if (level > before + 1) tell(`h${level} under h${before}`, heading);
        return level;
    }, 0);
    const ids = all("[id]").map((element) => element.id);
    if (new Set(ids).size !== ids.length) tell("an id twice");
    for (const table of all("table")) {
        if (!table.caption?.textContent) tell("a table without a caption", table);
        if ([...table.tHead.querySelectorAll("th")].some((th) => th.scope !== "col" || !th.querySelector("button"))) tell("a heading that does not sort", table);
        if ([...table.tBodies[0].rows].some((row) => row.cells[0].scope !== "row")) tell("a row without a heading", table);
    }
    for (const button of all("button")) if (!button.textContent.trim()) tell("a button without a name", button);
    for (const element of all("body *")) {
        const isClipped = element.closest(".frame, pre, .unseen, .skip, .patterns");
        if (!isClipped && element.getBoundingClientRect().right > edge + 1) tell("past the right edge", element);
    }
    if (document.documentElement.scrollWidth > edge) tell(`the page is ${document.documentElement.scrollWidth} wide`);
    return wrong;
})()
