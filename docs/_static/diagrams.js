// Draws the mermaid diagrams, as GitHub does. Without a network their source stays.
const diagrams = document.querySelectorAll(".highlight-mermaid");
if (diagrams.length) {
  const url = "https://cdn.jsdelivr.net/npm/mermaid@11/dist/mermaid.esm.min.mjs";
  import(url).then(({ default: mermaid }) => {
    const dark = document.documentElement.dataset.theme === "dark";
    mermaid.initialize({ startOnLoad: false, theme: dark ? "dark" : "default" });
    for (const diagram of diagrams) {
      const source = document.createElement("div");
      source.textContent = diagram.querySelector("pre").textContent;
      diagram.replaceWith(source);
      mermaid.run({ nodes: [source] });
    }
  });
}
