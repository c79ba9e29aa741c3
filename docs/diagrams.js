// On the documentation site: draws the diagrams, which GitHub draws by itself.
/* global path_to_root, mermaid */
const codes = document.querySelectorAll("code.language-mermaid");
if (codes.length > 0) {
  for (const code of codes) {
    const diagram = Object.assign(document.createElement("pre"), { className: "mermaid", textContent: code.textContent });
    code.closest("pre").replaceWith(diagram);
  }
  // Five megabytes, so only pages with a diagram load it.
  const script = Object.assign(document.createElement("script"), { src: `${path_to_root}mermaid.min.js` });
  script.onload = () => {
    const dark = /navy|coal|ayu/.test(document.documentElement.className);
    mermaid.initialize({ startOnLoad: false, theme: dark ? "dark" : "default" });
    mermaid.run();
  };
  document.head.append(script);
}
